import { DeskError } from '../errors.js';
import type { Button, PersonSign, Point, Screen, ScreenState, WindowFacts } from './screen.js';

/** A screen that only remembers what was done to it. */
export interface FakeScreen extends Screen {
  readonly state: () => Promise<ScreenState>;
  /** What was done, in words, e.g. `press left`. Of a text, how many letters. */
  readonly done: readonly string[];
  readonly down: () => readonly string[];
  locked: boolean;
  /** A person does something. */
  person(sign: PersonSign): void;
  /** Milliseconds that one letter takes. */
  letterMs: number;
}

/** For tests: no display, no process, no time but what a letter takes. */
export function createFakeScreen(windows: readonly WindowFacts[] = []): FakeScreen {
  const size = { width: 1280, height: 800 };
  const done: string[] = [];
  const down = new Set<string>();
  const listeners = new Set<(sign: PersonSign) => void>();
  let at: Point = { x: 0, y: 0 };
  let clipboard = '';
  const note = (what: string): Promise<void> => {
    done.push(what);
    return Promise.resolve();
  };
  const fake: FakeScreen = {
    done,
    down: () => [...down],
    locked: false,
    letterMs: 1,
    person: (sign) => {
      for (const heard of listeners) heard(sign);
    },
    state: () => Promise.resolve({ size }),
    size: () => Promise.resolve(size),
    displays: () => Promise.resolve([{ x: 0, y: 0, ...size }]),
    isLocked: () => Promise.resolve(fake.locked),
    capture: ({ format, size: wanted = size }) =>
      Promise.resolve({ mediaType: `image/${format}`, ...wanted, data: new Uint8Array([1, 2, 3]) }),
    pixelIs: () => Promise.resolve(true),
    findImage: () => Promise.resolve(undefined),
    cursor: () => Promise.resolve(at),
    move: (to) => {
      at = to;
      return note(`move ${to.x},${to.y}`);
    },
    press: (button: Button) => {
      down.add(button);
      return note(`press ${button}`);
    },
    release: (button: Button) => {
      down.delete(button);
      return note(`release ${button}`);
    },
    wheel: (dx, dy) => note(`wheel ${dx},${dy}`),
    pressKeys: (keys) => {
      for (const key of keys) down.add(key);
      return note(`down ${keys.join('+')}`);
    },
    releaseKeys: (keys) => {
      for (const key of keys) down.delete(key);
      return note(`up ${keys.join('+')}`);
    },
    type: (text, _paceMs, signal) => typeSlowly(fake, text, signal, note),
    readClipboard: () => Promise.resolve(clipboard),
    setClipboard: (text) => {
      clipboard = text;
      return note(`clipboard ${text.length}`);
    },
    pasteWith: (text, keys) => note(`paste ${text.length} ${keys.join('+')}`),
    windows: () => Promise.resolve(windows),
    focusWindow: (id) => note(`focus ${id}`),
    moveWindow: (id, to) => note(`place ${id} ${to.x},${to.y}`),
    resizeWindow: (id, wanted) => note(`size ${id} ${wanted.width}x${wanted.height}`),
    closeWindow: (id) => note(`close ${id}`),
    onPerson: (heard) => void listeners.add(heard),
    close: () => note('close'),
  };
  return fake;
}

async function typeSlowly(
  { letterMs }: FakeScreen,
  text: string,
  signal: AbortSignal,
  note: (what: string) => Promise<void>,
): Promise<void> {
  for (let typed = 0; typed < text.length; typed++) {
    if (signal.aborted) {
      await note(`type ${typed}`);
      throw new DeskError('canceled', 'it was asked to stop', typed === 0, typed);
    }
    await new Promise((resolve) => setTimeout(resolve, letterMs));
  }
  await note(`type ${text.length}`);
}
