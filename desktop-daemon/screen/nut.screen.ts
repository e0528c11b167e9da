import {
  clipboard,
  getActiveWindow,
  getWindows,
  keyboard,
  mouse,
  Point as NutPoint,
  Button as NutButton,
  Region as NutRegion,
  screen,
  Size as NutSize,
  type Image,
} from '@nut-tree-fork/nut-js';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Xinerama } from 'x11';
import { DeskError } from '../errors.js';
import { pause } from '../pause.js';
import { encode, find, type Pixels } from './pictures.js';
import { nutKeys } from './nut-keys.js';
import type { Button, Capture, PersonSign, Point, Region, Screen, WindowFacts } from './screen.js';
import { connectToX, type XConnection } from './x11/connection.js';
import { createXKeyboard } from './x11/keyboard.js';
import { lendSelection } from './x11/lend-selection.js';
import { isLocked } from './x11/locked.js';
import { createOwnInput, type OwnInput } from './x11/own-input.js';
import { watchPerson } from './x11/person.js';
import { createXWindows } from './x11/windows.js';

export interface NutSettings {
  /** X display; nothing, where there is no X11. */
  readonly display: string | undefined;
  /** A person who presses it stops everything. */
  readonly hotkey: readonly string[];
  /** Called when the screen itself goes away. */
  readonly onEnd: () => void;
}

/** What a platform does in a way of its own. */
type Platform = Pick<
  Screen,
  | 'displays'
  | 'pasteWith'
  | 'isLocked'
  | 'pressKeys'
  | 'releaseKeys'
  | 'type'
  | 'windows'
  | 'focusWindow'
  | 'moveWindow'
  | 'resizeWindow'
  | 'closeWindow'
  | 'close'
>;

const BUTTONS: Readonly<Record<Button, NutButton>> = {
  left: NutButton.LEFT,
  middle: NutButton.MIDDLE,
  right: NutButton.RIGHT,
};
/** Numbers of X11's buttons; 4 to 7 are the wheel: up, down, left, right. */
const X_BUTTONS: Readonly<Record<Button, number>> = { left: 1, middle: 2, right: 3 };

/**
 * The screen through nut.js: pictures, mouse, wheel, clipboard; on X11 with a keyboard, windows and a watch of our own. To be
 * run in a process of its own: nut.js takes the process with it when the display is gone.
 */
export async function createNutScreen(settings: NutSettings): Promise<Screen> {
  mouse.config.autoDelayMs = 0;
  keyboard.config.autoDelayMs = 0;
  const own = createOwnInput();
  const listeners = new Set<(sign: PersonSign) => void>();
  const cursor = createOwnCursor();
  const heard = (sign: PersonSign): void => {
    for (const listener of listeners) listener(sign);
  };
  const x = settings.display === undefined ? undefined : await connectToX(settings.display);
  x?.onEnd(settings.onEnd);
  const platform = x ? await onX11(x, own) : elsewhere();
  const watch = x
    ? await watchPerson(x, own, cursor, { hotkey: settings.hotkey, heard })
    : watchCursor(cursor, heard);

  const collect = createCollector();
  async function grab(region?: Region): Promise<Pixels> {
    collect();
    const image = await (region
      ? screen.grabRegion(new NutRegion(region.x, region.y, region.width, region.height))
      : screen.grab());
    return pixelsOf(image);
  }

  return {
    ...platform,
    size: async () => ({ width: await screen.width(), height: await screen.height() }),
    capture: async (capture: Capture) => encode(await grab(capture.region), capture),
    pixelIs: async ({ x: left, y: top, color, tolerance }) => {
      const { data } = await grab({ x: left, y: top, width: 1, height: 1 });
      const wanted = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));
      return wanted.every((value, channel) => Math.abs(value - data[channel]!) <= tolerance);
    },
    findImage: async ({ image, similarity, region }) =>
      find(image, await grab(region), { similarity, region }),
    cursor: async () => pointOf(await mouse.getPosition()),
    move: async (to) => {
      // Each move of ours would hide what a hand has done since the one before.
      const expected = cursor.at();
      const found = pointOf(await mouse.getPosition());
      if (expected && Math.hypot(found.x - expected.x, found.y - expected.y) > JITTER) heard('mouse');
      await mouse.setPosition(new NutPoint(to.x, to.y));
      cursor.put(to);
    },
    press: async (button) => {
      own.expectButton(X_BUTTONS[button]);
      await mouse.pressButton(BUTTONS[button]);
    },
    release: async (button) => void (await mouse.releaseButton(BUTTONS[button])),
    wheel: (dx, dy) => turnWheel(own, dx, dy),
    readClipboard: () => clipboard.getContent(),
    setClipboard: (text) => clipboard.setContent(text),
    onPerson: (listener) => void listeners.add(listener),
    close: async () => {
      watch.close();
      await platform.close();
    },
  };
}

const pointOf = ({ x, y }: NutPoint): Point => ({ x, y });

const MOST_UNCOLLECTED = 4;
const IDLE_MS = 500;

/** A picture of a screen is large and lies outside of the heap, where nothing hurries its collection: it is asked for. */
function createCollector(): () => void {
  const collectGarbage = (globalThis as { gc?: () => void }).gc;
  let taken = 0;
  let idle: NodeJS.Timeout | undefined;
  const collect = (): void => {
    taken = 0;
    collectGarbage?.();
  };
  return () => {
    clearTimeout(idle);
    idle = setTimeout(collect, IDLE_MS);
    if (++taken > MOST_UNCOLLECTED) collect();
  };
}

/** nut.js hands over blue, green, red and a fourth byte of no use. */
function pixelsOf({ width, height, data }: Image): Pixels {
  const count = width * height;
  const rgb = new Uint8Array(count * 3);
  for (let pixel = 0, from = 0, to = 0; pixel < count; pixel++, from += 4, to += 3) {
    rgb[to] = data[from + 2]!;
    rgb[to + 1] = data[from + 1]!;
    rgb[to + 2] = data[from]!;
  }
  return { width, height, data: rgb };
}

async function turnWheel(own: OwnInput, dx: number, dy: number): Promise<void> {
  // On X11 nut.js turns the wheel to the left when it is to turn it to the right.
  const swapped = process.platform === 'linux';
  const ways = [
    { turns: -dy, button: 4, turn: (n: number) => mouse.scrollUp(n) },
    { turns: dy, button: 5, turn: (n: number) => mouse.scrollDown(n) },
    { turns: -dx, button: 6, turn: (n: number) => (swapped ? mouse.scrollRight(n) : mouse.scrollLeft(n)) },
    { turns: dx, button: 7, turn: (n: number) => (swapped ? mouse.scrollLeft(n) : mouse.scrollRight(n)) },
  ];
  for (const { turns, button, turn } of ways) {
    if (turns <= 0) continue;
    own.expectButton(button, turns);
    await turn(turns);
  }
}

async function onX11(x: XConnection, own: OwnInput): Promise<Platform> {
  const keys = await createXKeyboard(x, own);
  const windows = createXWindows(x);
  const xinerama = await x.extension<Xinerama>('xinerama');
  return {
    displays: async () => {
      const found = xinerama
        ? await x.ask<Region[]>((_, answer) => xinerama.QueryScreens(answer)).catch(() => [])
        : [];
      return found.length > 0 ? found : [{ x: 0, y: 0, ...x.size }];
    },
    isLocked: () => isLocked(x),
    pasteWith: (text, names, signal) =>
      lendSelection(x, { text, selections: selectionsOf(names), signal }, async () => {
        await keys.press(names);
        await keys.release(names);
      }),
    pressKeys: (names) => keys.press(names),
    releaseKeys: (names) => keys.release(names),
    type: (text, paceMs, signal) => keys.type(text, paceMs, signal),
    windows: () => windows.list(),
    focusWindow: (id) => windows.focus(id),
    moveWindow: (id, to) => windows.move(id, to),
    resizeWindow: (id, size) => windows.resize(id, size),
    closeWindow: (id) => windows.close(id),
    close: async () => {
      await keys.close();
      x.close();
    },
  };
}

/** Shift+Insert asks for the other selection, in some programs. */
const selectionsOf = (keys: readonly string[]): readonly ('CLIPBOARD' | 'PRIMARY')[] =>
  keys.includes('insert') ? ['CLIPBOARD', 'PRIMARY'] : ['CLIPBOARD'];

/** macOS and Windows, as far as nut.js goes. */
function elsewhere(): Platform {
  const byId = async (id: number) => {
    const all = await getWindows();
    const found = all.find((window) => handleOf(window) === id);
    if (!found) throw new DeskError('no-such-window', 'the window is gone');
    return found;
  };
  return {
    displays: async () => [{ x: 0, y: 0, width: await screen.width(), height: await screen.height() }],
    isLocked: () => Promise.resolve(false),
    pasteWith: async (text, names, signal) => {
      await clipboard.setContent(text);
      await keyboard.pressKey(...nutKeys(names));
      await keyboard.releaseKey(...nutKeys(names).reverse());
      // Nobody says here when a program has come to ask.
      await pause(ASKED_MS, signal);
    },
    pressKeys: async (names) => void (await keyboard.pressKey(...nutKeys(names))),
    releaseKeys: async (names) => void (await keyboard.releaseKey(...nutKeys(names).reverse())),
    type: async (text, paceMs, signal) => {
      for (const [index, character] of Array.from(text.replaceAll('\r\n', '\n')).entries()) {
        if (signal.aborted) throw new DeskError('canceled', 'it was asked to stop', index === 0, index);
        await keyboard.type(character);
        if (paceMs > 0) await sleep(paceMs);
      }
    },
    windows: async () => {
      const [active, all] = [await getActiveWindow(), await getWindows()];
      const facts = all.map(async (window): Promise<WindowFacts> => {
        const { left: x, top: y, width, height } = await window.region;
        const region = { x, y, width, height };
        const id = handleOf(window);
        return {
          ...region,
          id,
          title: await window.title,
          app: '',
          pid: undefined,
          active: id === handleOf(active),
          content: region,
        };
      });
      return Promise.all(facts);
    },
    focusWindow: async (id) => void (await (await byId(id)).focus()),
    moveWindow: async (id, to) => void (await (await byId(id)).move(new NutPoint(to.x, to.y))),
    resizeWindow: async (id, size) =>
      void (await (await byId(id)).resize(new NutSize(size.width, size.height))),
    closeWindow: () =>
      Promise.reject(new DeskError('not-supported', 'windows cannot be closed on this platform')),
    close: () => Promise.resolve(),
  };
}

/** nut.js keeps the number of a window to itself. */
const handleOf = (window: object): number => (window as { windowHandle?: number }).windowHandle ?? 0;

function createOwnCursor() {
  let at: Point | undefined;
  let moves = 0;
  return {
    at: () => at,
    moves: () => moves,
    leftAt: (now: Point) => {
      at = now;
    },
    put: (to: Point) => {
      at = to;
      moves++;
    },
  };
}

const ASKED_MS = 1_500;
const LOOK_MS = 100;
const JITTER = 3;

/** Where there is no XInput: whether the cursor stays where it was left. */
function watchCursor(cursor: ReturnType<typeof createOwnCursor>, heard: (sign: PersonSign) => void) {
  const look = async (): Promise<void> => {
    const moves = cursor.moves();
    const now = pointOf(await mouse.getPosition());
    const expected = cursor.at();
    if (moves !== cursor.moves()) return;
    if (expected && Math.hypot(now.x - expected.x, now.y - expected.y) <= JITTER) return;
    cursor.leftAt(now);
    if (expected) heard(now.x <= 1 && now.y <= 1 ? 'corner' : 'mouse');
  };
  const timer = setInterval(() => void look().catch(() => undefined), LOOK_MS);
  return { close: () => clearInterval(timer) };
}
