import { setTimeout as sleep } from 'node:timers/promises';
import { DeskError } from '../../errors.js';
import type { XConnection } from './connection.js';
import type { Keymap, Stroke } from './keymap.js';

/** A program looks up what a key means when it reads the event: only after this long may the key mean something else. */
const SETTLE_MS = 400;
/** From here on keyboards have keys for media alone, one keysym each: their rows can be written again as they are. */
const MEDIA_KEYS = 178;

/**
 * Keys of no use on a keyboard, that are given the characters which are not on it: two each, without and with Shift. Every
 * change is news to all programs, and window managers take long over it: many are changed at once, and kept.
 */
export interface SpareKeys {
  /** How a keysym is brought out: by a key of the layout, or by a spare one that was given it. */
  strokeOf(keysym: number, map: Keymap): Stroke | undefined;
  /** Looks which keys still are what they were made: a person who changes the layout takes all of them back. */
  check(rows: readonly (readonly number[])[], firstCode: number): void;
  isGiven(code: number): boolean;
  /** From a place in a list on: which keysyms are on no key yet, up to as many as there are keys for, and where that ends. */
  missing(keysyms: readonly number[], from: number, map: Keymap): { wanted: number[]; end: number };
  give(keysyms: readonly number[], map: Keymap): Promise<void>;
  /** A key was pressed just now. */
  used(): void;
  takeBack(): Promise<void>;
}

export function createSpareKeys(x: XConnection): SpareKeys {
  /** What each code was given, the one that was wanted longest ago first. */
  const given = new Map<number, readonly [number, number]>();
  let lastUsed = 0;

  function find(keysym: number): Stroke | undefined {
    for (const [code, [plain, shifted]] of given) {
      if (plain === keysym) return { code, shift: false };
      if (shifted === keysym) return { code, shift: true };
    }
    return undefined;
  }

  async function settle(): Promise<void> {
    await x.sync();
    await sleep(Math.max(0, lastUsed + SETTLE_MS - performance.now()));
  }

  /** One change for all media keys together, whose own rows in between are written as they were; one each for others. */
  function write(codes: readonly number[], map: Keymap): void {
    const media = codes.filter((code) => code >= MEDIA_KEYS);
    for (const code of codes)
      if (code < MEDIA_KEYS) x.client.ChangeKeyboardMapping(code, 2, given.get(code)!);
    if (media.length === 0) return;
    const [first, last] = [Math.min(...media), Math.max(...media)];
    const width = Math.max(2, map.rowOf(first).length, map.rowOf(last).length, map.rowOf(MEDIA_KEYS).length);
    const rows = Array.from({ length: last - first + 1 }, (_, index) => {
      const row = given.get(first + index) ?? map.rowOf(first + index);
      return Array.from({ length: width }, (_unused, level) => row[level] ?? 0);
    });
    x.client.ChangeKeyboardMapping(first, width, rows.flat());
  }

  return {
    strokeOf: (keysym, map) => find(keysym) ?? map.strokeOf(keysym),
    check: (rows, firstCode) => {
      for (const [code, [plain, shifted]] of given) {
        const row = rows[code - firstCode];
        if (row?.[0] !== plain || row[1] !== shifted) given.delete(code);
      }
    },
    isGiven: (code) => given.has(code),
    missing: (keysyms, from, map) => {
      const total = new Set([...map.spare, ...given.keys()]).size;
      const kept = new Set<number>();
      const wanted = new Set<number>();
      let end = from;
      for (; end < keysyms.length; end++) {
        const keysym = keysyms[end]!;
        const known = find(keysym);
        if (known ? kept.has(known.code) : wanted.has(keysym) || map.strokeOf(keysym)) continue;
        const codes = kept.size + Math.ceil(wanted.size / 2);
        const more = known || wanted.size % 2 === 0 ? 1 : 0;
        if (codes + more > total && end > from) break;
        if (known) kept.add(known.code);
        else wanted.add(keysym);
      }
      // What this part of the text needs, and has, is the last to be taken away.
      for (const code of kept) {
        const pair = given.get(code)!;
        given.delete(code);
        given.set(code, pair);
      }
      return { wanted: [...wanted], end };
    },
    give: async (keysyms, map) => {
      // Those that can be changed together come first.
      const free = map.spare.filter((code) => !given.has(code)).toReversed();
      const changed: number[] = [];
      const old = [...given.keys()];
      for (let at = 0; at < keysyms.length; at += 2) {
        const pair = [keysyms[at]!, keysyms[at + 1] ?? keysyms[at]!] as const;
        let code = free.shift();
        if (code === undefined) {
          code = old.shift();
          if (code === undefined)
            throw new DeskError('key-not-on-keyboard', 'the keyboard has no key to spare');
          await settle();
          given.delete(code);
        }
        changed.push(code);
        given.set(code, pair);
      }
      write(changed, map);
      if (keysyms.length > 0) await x.sync();
    },
    used: () => {
      lastUsed = performance.now();
    },
    takeBack: async () => {
      if (given.size === 0) return;
      await settle();
      for (const code of given.keys()) x.client.ChangeKeyboardMapping(code, 2, [0, 0]);
      await x.sync();
    },
  };
}
