import type { Geometry } from 'x11';
import type { XConnection } from './connection.js';

const ALREADY_GRABBED = 1;
const VIEWABLE = 2;
const ASYNC = 1;

/** Whether a screen locker is in front: a window over the whole screen that no window manager has, while somebody holds the keyboard. */
export async function isLocked(x: XConnection): Promise<boolean> {
  const { children } = await x.ask<{ children: number[] }>((client, answer) =>
    client.QueryTree(x.root, answer),
  );
  const covered = await Promise.all(children.slice(-MOST_ON_TOP).map((window) => covers(x, window)));
  return covered.includes(true) && (await isKeyboardHeld(x));
}
/** Tooltips and notifications may stand before a locker, but not many. */
const MOST_ON_TOP = 8;

async function covers(x: XConnection, window: number): Promise<boolean> {
  try {
    const { overrideRedirect, mapState } = await x.ask<{ overrideRedirect: number; mapState: number }>(
      (client, answer) => client.GetWindowAttributes(window, answer),
    );
    if (!overrideRedirect || mapState !== VIEWABLE) return false;
    const { width, height } = await x.ask<Geometry>((client, answer) => client.GetGeometry(window, answer));
    return width >= x.size.width && height >= x.size.height;
  } catch {
    return false;
  }
}

/** An open menu holds the keyboard too: that alone is no lock. */
async function isKeyboardHeld(x: XConnection): Promise<boolean> {
  const status = await x.ask<number>((client, answer) =>
    client.GrabKeyboard(x.root, 0, 0, ASYNC, ASYNC, answer),
  );
  if (status === ALREADY_GRABBED) return true;
  x.client.UngrabKeyboard(0);
  await x.sync();
  return false;
}
