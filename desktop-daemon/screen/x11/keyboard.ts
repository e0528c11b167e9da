import { setTimeout as sleep } from 'node:timers/promises';
import type { XTest, Xkb } from 'x11';
import { DeskError } from '../../errors.js';
import { isModifier, keysymOf } from '../../keys.js';
import type { XConnection } from './connection.js';
import { keysymsOfText, readKeymap, type Keymap } from './keymap.js';
import type { OwnInput } from './own-input.js';
import { createSpareKeys, type SpareKeys } from './spare-keys.js';

/** A keyboard that writes every character exactly, in any script and whatever the layout is. */
export interface XKeyboard {
  press(keys: readonly string[]): Promise<void>;
  release(keys: readonly string[]): Promise<void>;
  /** Rejects between two letters when it is to stop, and says how many were typed; no key is down then. */
  type(text: string, paceMs: number, signal: AbortSignal): Promise<void>;
  /** Takes back what spare keys were given. */
  close(): Promise<void>;
}

/** Letters that are sent at once, and how long the programs get to read them. */
const BURST = 16;
const BURST_MS = 8;
const CORE_KEYBOARD = 0x100;
const CAPS_LOCK = 2;
const SHIFT = 0xffe1;
const CAPS = 0xffe5;

export async function createXKeyboard(x: XConnection, own: OwnInput): Promise<XKeyboard> {
  const fake = await createFaker(x, own);
  const layout = await createLayout(x);
  const spare = createSpareKeys(x);
  const keymap = () => layout.keymap(spare);
  /** What is down, and by which codes. */
  const down = new Map<string, number[]>();

  async function type(text: string, paceMs: number, signal: AbortSignal): Promise<void> {
    const keysyms = keysymsOfText(text);
    const capsLocked = await layout.isCapsLocked();
    if (capsLocked) await tapCapsLock();
    try {
      let at = 0;
      while (at < keysyms.length) {
        const map = await keymap();
        const { wanted, end } = spare.missing(keysyms, at, map);
        await spare.give(wanted, map);
        await write(keysyms, [at, end], { map, paceMs, signal });
        at = end;
      }
    } finally {
      if (capsLocked) await tapCapsLock();
    }
  }

  async function write(
    keysyms: readonly number[],
    [from, end]: readonly [number, number],
    { map, paceMs, signal }: { map: Keymap; paceMs: number; signal: AbortSignal },
  ): Promise<void> {
    const shift = map.strokeOf(SHIFT)?.code;
    const burst = paceMs > 0 ? 1 : BURST;
    for (let index = from; index < end; index++) {
      if (signal.aborted) throw new DeskError('canceled', 'it was asked to stop', index === 0, index);
      const stroke = spare.strokeOf(keysyms[index]!, map)!;
      const held = stroke.shift && shift !== undefined ? [shift, stroke.code] : [stroke.code];
      for (const code of held) fake(code, true);
      for (const code of held.reverse()) fake(code, false);
      spare.used();
      if (index % burst !== burst - 1) continue;
      await x.sync();
      await sleep(paceMs || BURST_MS);
    }
    await x.sync();
  }

  async function tapCapsLock(): Promise<void> {
    const stroke = (await keymap()).strokeOf(CAPS);
    if (!stroke) return;
    fake(stroke.code, true);
    fake(stroke.code, false);
    await x.sync();
  }

  /** The codes of a key, Shift included where a character needs it. */
  async function codesOf(key: string, isChord: boolean): Promise<number[]> {
    const map = await keymap();
    // In a chord a letter names its key: `ctrl+S` is not `ctrl+shift+s`.
    const keysym = keysymOf(isChord && /^[A-Z]$/.test(key) ? key.toLowerCase() : key);
    if (!spare.strokeOf(keysym, map)) {
      if (isModifier(key)) throw new DeskError('key-not-on-keyboard', `the keyboard has no ${key}`);
      await spare.give([keysym], map);
    }
    const stroke = spare.strokeOf(keysym, map)!;
    const shift = map.strokeOf(SHIFT)?.code;
    return stroke.shift && shift !== undefined ? [shift, stroke.code] : [stroke.code];
  }

  return {
    press: async (keys) => {
      const chord: [string, number[]][] = [];
      for (const key of keys) chord.push([key, await codesOf(key, keys.length > 1)]);
      for (const [key, codes] of chord) {
        down.set(key, codes);
        for (const code of codes) fake(code, true);
      }
      spare.used();
      await x.sync();
    },
    release: async (keys) => {
      for (const key of keys.toReversed()) {
        // What went down comes up: the layout may be another by now.
        const codes = down.get(key) ?? (await codesOf(key, keys.length > 1));
        down.delete(key);
        for (const code of codes.toReversed()) fake(code, false);
      }
      await x.sync();
    },
    type,
    close: () => spare.takeBack(),
  };
}

async function createFaker(x: XConnection, own: OwnInput): Promise<(code: number, down: boolean) => void> {
  const xtest = await x.extension<XTest>('xtest');
  if (!xtest) throw new DeskError('not-supported', 'the X server has no XTEST extension');
  return (code, down) => {
    if (down) own.expectKey(code);
    xtest.FakeInput(down ? xtest.KeyPress : xtest.KeyRelease, code, 0, 0, 0, 0);
  };
}

/** What the keyboard is like now: a person may change its layout at any time. */
async function createLayout(x: XConnection) {
  const xkb = await x.extension<Xkb>('xkb');
  const { first, last } = x.keyCodes;
  const stateOf = () =>
    xkb
      ? x.ask<{ lockedMods: number; group: number }>((_, answer) => xkb.GetState(CORE_KEYBOARD, answer))
      : Promise.resolve({ lockedMods: 0, group: 0 });
  return {
    isCapsLocked: async () => ((await stateOf()).lockedMods & CAPS_LOCK) !== 0,
    keymap: async (spare: SpareKeys): Promise<Keymap> => {
      const rows = await x.ask<number[][]>((client, answer) =>
        client.GetKeyboardMapping(first, last - first + 1, answer),
      );
      const { group } = await stateOf();
      spare.check(rows, first);
      // What an earlier process that was killed has left on spare keys is free again.
      const known = rows.map((row, index) => (spare.isGiven(first + index) || !isLeftOver(row) ? row : []));
      return readKeymap(known, first, group);
    },
  };
}

/** Nothing but characters of Unicode's part on one or two levels: so a key looks that was given some here. */
const isLeftOver = (row: readonly number[]): boolean => {
  const used = row.filter((keysym) => keysym !== 0);
  return used.length > 1 && new Set(used).size <= 2 && used.every((keysym) => keysym > 0x01000000);
};
