import { keysymOfCharacter } from '../../keys.js';

/** How to bring one character out of the keyboard: which key, and whether Shift is held. */
export interface Stroke {
  readonly code: number;
  readonly shift: boolean;
}

/** What a keyboard can write as it is, for one of its layouts. */
export interface Keymap {
  strokeOf(keysym: number): Stroke | undefined;
  /** Key codes that no layout uses: they can be given any character. */
  readonly spare: readonly number[];
  /** The row of a code as it stands. */
  rowOf(code: number): readonly number[];
}

/**
 * Reads the core protocol's table: for each key code a row of keysyms, of which a layout (XKB: group) has two, without and
 * with Shift. Keys that compose accents are not among the plain ones, so that what they stand for is written by a spare key.
 */
export function readKeymap(rows: readonly (readonly number[])[], firstCode: number, group: number): Keymap {
  const strokes = new Map<number, Stroke>();
  const spare: number[] = [];
  for (const [index, row] of rows.entries()) {
    const code = firstCode + index;
    if (row.every((keysym) => keysym === 0)) spare.push(code);
    const at = row[group * 2] || row[group * 2 + 1] ? group * 2 : 0;
    const [plain = 0, shifted = 0] = row.slice(at, at + 2);
    add(plain, { code, shift: false });
    // A row that has one letter alone stands for the pair of it.
    add(shifted || upperOf(plain), { code, shift: true });
  }
  return {
    strokeOf: (keysym) => strokes.get(keysym),
    spare,
    rowOf: (code) => rows[code - firstCode] ?? [],
  };

  function add(keysym: number, stroke: Stroke): void {
    if (keysym !== 0 && !strokes.has(keysym)) strokes.set(keysym, stroke);
  }
}

const upperOf = (keysym: number): number => (keysym >= 0x61 && keysym <= 0x7a ? keysym - 0x20 : 0);

/** The characters of a text as keysyms: line ends and tabs are keys of their own. */
export function keysymsOfText(text: string): number[] {
  return Array.from(text.replaceAll('\r\n', '\n'), (character) => {
    if (character === '\n' || character === '\r') return 0xff0d;
    if (character === '\t') return 0xff09;
    return keysymOfCharacter(character);
  });
}
