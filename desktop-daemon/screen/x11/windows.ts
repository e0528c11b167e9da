import { setTimeout as sleep } from 'node:timers/promises';
import { DeskError } from '../../errors.js';
import type { Point, Size, WindowFacts } from '../screen.js';
import type { XConnection } from './connection.js';
import { createWindowReader } from './window-reader.js';

/** The windows of an X server as its window manager tells of them (EWMH), or as they stand where there is none. */
export interface XWindows {
  list(): Promise<WindowFacts[]>;
  focus(id: number): Promise<void>;
  move(id: number, to: Point): Promise<void>;
  resize(id: number, size: Size): Promise<void>;
  close(id: number): Promise<void>;
}

const CLIENT_MESSAGE = 33;
const SUBSTRUCTURE = (1 << 19) | (1 << 20);
/** Told to the window manager: the wish comes of a person's tool, and not of the program itself. */
const PAGER = 2;
const NORTH_WEST = 1;
/** Fields of a wish that count. */
const PLACE = (1 << 8) | (1 << 9);
const SIZE = (1 << 10) | (1 << 11);
/** How long a window manager may take to do what it is asked. */
const OBEY_MS = 2_000;

export function createXWindows(x: XConnection): XWindows {
  const read = createWindowReader(x);

  async function known(id: number): Promise<WindowFacts> {
    const facts = (await read.ids()).includes(id) ? await read.factsOf(id, await read.activeId()) : undefined;
    if (!facts) throw new DeskError('no-such-window', 'the window is gone');
    return facts;
  }

  async function tellManager(window: number, type: string, data: readonly number[]): Promise<void> {
    const event = Buffer.alloc(32);
    event[0] = CLIENT_MESSAGE;
    event[1] = 32;
    event.writeUInt32LE(window, 4);
    event.writeUInt32LE(await x.atom(type), 8);
    for (const [index, value] of data.entries()) event.writeUInt32LE(value >>> 0, 12 + index * 4);
    x.client.SendEvent(x.root, 0, SUBSTRUCTURE, event);
    await x.sync();
  }

  /** Waits until it is so: a wish that a window manager did not grant was not granted. */
  async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + OBEY_MS;
    for (;;) {
      if (await holds()) return;
      if (performance.now() > deadline)
        throw new DeskError('window-refused', `the window was not ${what} by the window manager`, false);
      await sleep(20);
    }
  }

  async function configure(id: number, values: Partial<Point & Size>): Promise<void> {
    if (!(await read.isManaged())) {
      x.client.ConfigureWindow(id, values);
      return x.sync();
    }
    const fields = (values.x === undefined ? 0 : PLACE) | (values.width === undefined ? 0 : SIZE);
    const { x: left = 0, y: top = 0, width = 0, height = 0 } = values;
    return tellManager(id, '_NET_MOVERESIZE_WINDOW', [
      NORTH_WEST | fields | (PAGER << 12),
      left,
      top,
      width,
      height,
    ]);
  }

  async function move(id: number, to: Point): Promise<void> {
    await known(id);
    await configure(id, to);
    await until('moved', async () => {
      const now = await known(id);
      return Math.abs(now.x - to.x) <= 1 && Math.abs(now.y - to.y) <= 1;
    });
  }

  async function resize(id: number, size: Size): Promise<void> {
    const before = (await known(id)).content;
    const isThere = before.width === size.width && before.height === size.height;
    await configure(id, size);
    // A terminal has sizes of whole letters only: that it changes at all must do.
    await until('resized', async () => {
      const now = (await known(id)).content;
      return isThere || now.width !== before.width || now.height !== before.height;
    });
  }

  return {
    list: async () => {
      const active = await read.activeId();
      const facts = await Promise.all((await read.ids()).map((id) => read.factsOf(id, active)));
      // The one in front comes first.
      return facts.filter((each) => each !== undefined).reverse();
    },
    focus: async (id) => {
      await known(id);
      if (await read.isManaged()) {
        await tellManager(id, '_NET_ACTIVE_WINDOW', [PAGER, 0, 0]);
        return until('brought to the front', async () => (await read.activeId()) === id);
      }
      x.client.RaiseWindow(id);
      x.client.SetInputFocus(id, 1);
      await x.sync();
    },
    move,
    resize,
    close: async (id) => {
      await known(id);
      if (await read.isManaged()) await tellManager(id, '_NET_CLOSE_WINDOW', [0, PAGER]);
      else x.client.DestroyWindow(id);
      await x.sync();
    },
  };
}
