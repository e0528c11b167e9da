import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text as readAll } from 'node:stream/consumers';
import { inherited } from './environment.js';
import { DeskError } from './errors.js';
import type { Region, Screen } from './screen/screen.js';

export interface Line extends Region {
  readonly text: string;
}

/** Reads what is to be seen, by Tesseract where it is installed. */
export interface Ocr {
  readonly isAvailable: () => Promise<boolean>;
  /** Places are pixels of the screen. */
  read(
    screen: Screen,
    region: Region | undefined,
    signal: AbortSignal,
  ): Promise<{ text: string; lines: readonly Line[] }>;
}

/** Letters of a screen are small for what Tesseract was taught with. */
const ENLARGED = 2;
const BORDER = 20;
/** A whole screen in that size takes too long. */
const MOST_PIXELS = 5_000_000;
/** Of Tesseract's table: a row for one word. */
const WORD = '5';

export function createOcr(program = 'tesseract'): Ocr {
  let available: Promise<boolean> | undefined;
  const look = () =>
    run(program, ['--version'], undefined, AbortSignal.timeout(5_000)).then(
      () => true,
      () => false,
    );
  const isAvailable = () => (available ??= look());
  return {
    isAvailable,
    read: async (screen, region, signal) => {
      if (!(await isAvailable())) throw new DeskError('ocr-unavailable', 'tesseract is not installed');
      const part = region ?? { x: 0, y: 0, ...(await screen.size()) };
      const factor = Math.max(1, Math.min(ENLARGED, Math.sqrt(MOST_PIXELS / (part.width * part.height))));
      const size = { width: Math.round(part.width * factor), height: Math.round(part.height * factor) };
      const shot = await screen.capture({ region: part, format: 'png', size, greyWithBorder: BORDER });
      const words = ['stdin', 'stdout', '--psm', '11', '--dpi', '200', 'tsv'];
      const table = await run(program, words, shot.data, signal);
      const lines = linesOf(table, part, factor);
      return { text: lines.map((line) => line.text).join('\n'), lines };
    },
  };
}

async function run(
  program: string,
  args: readonly string[],
  input: Uint8Array | undefined,
  signal: AbortSignal,
): Promise<string> {
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'ignore'],
    signal,
    env: { ...inherited(['PATH']), OMP_THREAD_LIMIT: '1' },
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const [output, [code]] = await Promise.all([
    readAll(child.stdout),
    once(child, 'close') as Promise<[number]>,
  ]);
  if (code !== 0) throw new DeskError('fault', 'tesseract failed');
  return output;
}

interface Word extends Region {
  readonly line: string;
  readonly text: string;
}

/** The words of Tesseract's table; `line` is the same for words of one line. */
const wordsOf = (table: string): Word[] =>
  table.split('\n').flatMap((row) => {
    const cells = row.split('\t');
    const [level, page, block, paragraph, line] = cells;
    const text = cells[11]?.trim();
    if (level !== WORD || !text) return [];
    const [x = 0, y = 0, width = 0, height = 0] = cells.slice(6, 10).map(Number);
    return [{ line: `${page}.${block}.${paragraph}.${line}`, text, x, y, width, height }];
  });

function linesOf(table: string, part: Region, factor: number): Line[] {
  const lines = Map.groupBy(wordsOf(table), ({ line }) => line);
  return [...lines.values()].map((words) => {
    const left = Math.min(...words.map(({ x }) => x));
    const top = Math.min(...words.map(({ y }) => y));
    const right = Math.max(...words.map(({ x, width }) => x + width));
    const bottom = Math.max(...words.map(({ y, height }) => y + height));
    return {
      text: words.map(({ text }) => text).join(' '),
      x: part.x + Math.max(0, Math.round((left - BORDER) / factor)),
      y: part.y + Math.max(0, Math.round((top - BORDER) / factor)),
      width: Math.round((right - left) / factor),
      height: Math.round((bottom - top) / factor),
    };
  });
}
