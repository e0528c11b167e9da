import { setTimeout as sleep } from 'node:timers/promises';
import { DeskError } from '../../errors.js';
import type { XConnection } from './connection.js';
import type { Keymap, Stroke } from './keymap.js';

/** A program looks up what a key means when it reads the event: only after this long may the key mean something else. */
const SETTLE_MS = 400;

/** Keys of no use on a keyboard, that are given the characters which are not on it. */
export interface SpareKeys {
  /** How a keysym is brought out: by a key of the layout, or by a spare one that was given it. */
  strokeOf(keysym: number, map: Keymap): Stroke | undefined;
  isGiven(code: number): boolean;
  /** From a place in a list on: which keysyms are on no key yet, up to as many as there are keys for, and where that ends. */
  missing(keysyms: readonly number[], from: number, map: Keymap): { wanted: number[]; end: number };
  give(keysyms: readonly number[], map: Keymap): Promise<void>;
  /** A key was pressed just now. */
  used(): void;
  takeBack(): Promise<void>;
}

export function createSpareKeys(x: XConnection): SpareKeys {
  /** Code by keysym, the one that was given longest ago first. */
  const given = new Map<number, number>();
  let lastUsed = 0;

  async function settle(): Promise<void> {
    await x.sync();
    await sleep(Math.max(0, lastUsed + SETTLE_MS - performance.now()));
  }

  /** The key that was given a character longest ago, and is not wanted now. */
  async function takeFrom(wanted: ReadonlySet<number>): Promise<number> {
    const [oldest] = [...given].filter(([keysym]) => !wanted.has(keysym));
    if (!oldest) throw new DeskError('key-not-on-keyboard', 'the keyboard has no key to spare');
    await settle();
    given.delete(oldest[0]);
    return oldest[1];
  }

  return {
    strokeOf: (keysym, map) => {
      const code = given.get(keysym);
      return map.strokeOf(keysym) ?? (code === undefined ? undefined : { code, shift: false });
    },
    isGiven: (code) => [...given.values()].includes(code),
    missing: (keysyms, from, map) => {
      const most = new Set([...map.spare, ...given.values()]).size;
      const needed = new Set<number>();
      const wanted = new Set<number>();
      let end = from;
      for (; end < keysyms.length; end++) {
        const keysym = keysyms[end]!;
        const isSpare = given.has(keysym);
        if (!isSpare && map.strokeOf(keysym)) continue;
        if (!needed.has(keysym) && needed.size >= most) break;
        needed.add(keysym);
        if (!isSpare) wanted.add(keysym);
      }
      // What this part of the text needs and has already must not be taken from it.
      for (const keysym of needed) {
        const code = given.get(keysym);
        if (code === undefined) continue;
        given.delete(keysym);
        given.set(keysym, code);
      }
      return { wanted: [...wanted], end };
    },
    give: async (keysyms, map) => {
      const free = map.spare.filter((code) => ![...given.values()].includes(code));
      const wanted = new Set(keysyms);
      for (const keysym of keysyms) {
        const code = free.shift() ?? (await takeFrom(wanted));
        x.client.ChangeKeyboardMapping(code, 2, [keysym, keysym]);
        given.set(keysym, code);
      }
      if (keysyms.length > 0) await x.sync();
    },
    used: () => {
      lastUsed = performance.now();
    },
    takeBack: async () => {
      if (given.size === 0) return;
      await settle();
      for (const code of given.values()) x.client.ChangeKeyboardMapping(code, 2, [0, 0]);
      await x.sync();
    },
  };
}
