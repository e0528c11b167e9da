import { asDeskError, DeskError } from '../errors.js';
import type { FromScreen, ScreenCall, ToScreen } from './rpc.js';
import type { Screen } from './screen.js';
import { connectToX } from './x11/connection.js';

/**
 * The screen process: nut.js and nothing else. What kills it kills the daemon not; it is started again with the next action.
 * Arguments: the display (X11), and the chord that stops everything.
 */
const [display = '', hotkey = ''] = process.argv.slice(2);
const say = (message: FromScreen): void => void process.send?.(message);

/** nut.js dies of a display that is not there: it is asked for by something that does not. */
async function open(): Promise<Screen> {
  if (process.platform === 'linux') await probe();
  const { createNutScreen } = await import('./nut.screen.js');
  const screen = await createNutScreen({
    display: process.platform === 'linux' ? display : undefined,
    hotkey: hotkey === '' ? [] : hotkey.split('+'),
    onEnd: () => process.exit(1),
  });
  screen.onPerson((person) => say({ person }));
  return screen;
}

async function probe(): Promise<void> {
  if (display === '') throw new DeskError('no-display', 'there is no X display: DISPLAY is not set');
  const x = await connectToX(display).catch(() => {
    throw new DeskError('no-display', 'no X server answers on this display, or it does not let this user in');
  });
  const wayland = await x.ask<{ present: number }>((client, answer) =>
    client.QueryExtension('XWAYLAND', answer),
  );
  x.close();
  if (wayland.present)
    throw new DeskError(
      'no-permission',
      'this is a Wayland session: its X server shows and takes nothing but its own windows; log in with X11 (Xorg)',
    );
}

const aborts = new Map<number, AbortController>();

async function answer(screen: Screen, id: number, call: ScreenCall, args: readonly unknown[]): Promise<void> {
  const abort = new AbortController();
  aborts.set(id, abort);
  try {
    const act = screen[call] as (...args: unknown[]) => Promise<unknown>;
    say({ id, value: await act(...args, abort.signal) });
  } catch (error) {
    const told = asDeskError(error);
    say({ id, error: told.body() });
  } finally {
    aborts.delete(id);
  }
}

try {
  const screen = await open();
  process.on('message', (message: ToScreen) => {
    if ('abort' in message) aborts.get(message.abort)?.abort();
    else if ('close' in message) void screen.close().finally(() => process.exit());
    else void answer(screen, message.id, message.call, message.args);
  });
  process.on('disconnect', () => process.exit());
  say({ ready: await screen.size() });
} catch (error) {
  say({ problem: asDeskError(error).body() });
  process.exitCode = 1;
  process.disconnect();
}
