import { createTwoFilesPatch } from 'diff';
import { extname } from 'node:path';
import { z } from 'zod';
import type { Json } from '#events/shapes.js';
import type { RunFiles } from '../../../agentfs/agentfs.js';
import { fail } from '../../../failures/failures.js';
import { sha256 } from '../../../log/hash-chain.js';
import { runParser, type ParserKind } from '../parsers/run-parser.js';
import { defineTool } from '../tool.js';

const path = z.string().min(1).max(1024);
const MAX_TEXT_CHARS = 4 * 1024 * 1024;

type Kind = ParserKind | 'text' | 'image' | 'unknown';
const MAGIC: readonly (readonly [string, Kind])[] = [
  ['%PDF', 'pdf'],
  ['\u0089PNG', 'image'],
  ['\u00ff\u00d8\u00ff', 'image'],
  ['GIF8', 'image'],
];
const KINDS: Readonly<Record<string, Kind>> = {
  '.html': 'html',
  '.htm': 'html',
  '.csv': 'csv',
  '.tsv': 'csv',
  '.tif': 'image',
  '.tiff': 'image',
  '.webp': 'image',
  '.bmp': 'image',
  '.heic': 'image',
};
const ZIPPED: Readonly<Record<string, Kind>> = { '.docx': 'docx', '.xlsx': 'xlsx' };

/** What a file is, by its first bytes, and by its name where those do not tell. */
export function kindOf(name: string, bytes: Uint8Array): Kind {
  const head = Buffer.from(bytes.subarray(0, 4)).toString('latin1');
  const found = MAGIC.find(([magic]) => head.startsWith(magic));
  if (found) return found[1];
  const extension = extname(name).toLowerCase();
  if (head.startsWith('PK')) return ZIPPED[extension] ?? 'unknown';
  return KINDS[extension] ?? (bytes.subarray(0, 4096).includes(0) ? 'unknown' : 'text');
}

interface Extracted {
  readonly text: string;
  readonly pages?: readonly string[];
  readonly title?: string;
}

const extract = defineTool({
  name: 'text.extract',
  description:
    'The text of a PDF, DOCX, XLSX, HTML, CSV or text file: { kind, text, pages?, title?, truncated, digest }. A scan has none, and is refused.',
  schema: z.strictObject({ path }),
  call: async ({ path: name }, { files, signal }) => {
    const { kind, digest, bytes, text, pages, title } = await textOfFile(name, files, signal);
    return {
      output: {
        path: name,
        kind,
        text: text.slice(0, MAX_TEXT_CHARS),
        truncated: text.length > MAX_TEXT_CHARS,
        ...(pages && { pages: [...pages] }),
        ...(title !== undefined && { title }),
        digest,
        bytes,
      },
      content: true,
    };
  },
});

/** The text of a file of a run, and what it is. */
export async function textOfFile(
  name: string,
  files: RunFiles,
  signal: AbortSignal,
): Promise<Extracted & { kind: Kind; digest: string; bytes: number }> {
  const bytes = await files.read(name);
  const kind = kindOf(name, bytes);
  return {
    ...(await extractText(name, kind, bytes, signal)),
    kind,
    digest: sha256(bytes),
    bytes: bytes.byteLength,
  };
}

async function extractText(
  name: string,
  kind: Kind,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<Extracted> {
  if (kind === 'image')
    throw fail('no-text', `${name} is a picture; reading text out of pictures is not available`);
  if (kind === 'unknown')
    throw fail('not-readable', `${name} is of a kind that holds no text this tool knows`);
  if (kind === 'text' || kind === 'csv') return { text: decoded(bytes) };
  const value = (await runParser({ kind, bytes, options: {} }, name, signal)) as unknown;
  if (kind === 'xlsx') return { text: textOfSheets(value as { sheets: Sheet[] }) };
  if (kind !== 'pdf') return value as Extracted;
  const { pages } = value as { pages: string[] };
  if (pages.every((page) => page.trim() === ''))
    throw fail(
      'no-text',
      `${name} has ${pages.length} page(s) and no text: it is a scan, and reading scans is not available`,
    );
  return { text: pages.join('\n\n'), pages };
}

interface Sheet {
  readonly name: string;
  readonly rows: Json[][];
}
const textOfSheets = ({ sheets }: { sheets: Sheet[] }): string =>
  sheets.map(({ name, rows }) => [name, ...rows.map((row) => row.join('\t'))].join('\n')).join('\n\n');

/** UTF-8, or the old way of the West where that is none. */
function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

const diff = defineTool({
  name: 'text.diff',
  description: 'How two text files differ, as a unified patch: { same, patch }.',
  schema: z.strictObject({ from: path, to: path }),
  call: async ({ from, to }, { files }) => {
    const [before, after] = [decoded(await files.read(from)), decoded(await files.read(to))];
    const patch = before === after ? '' : createTwoFilesPatch(from, to, before, after);
    return { output: { same: before === after, patch }, content: true };
  },
});

const SEARCH_MOST = 1000;
const SEARCH_BYTES = 4 * 1024 * 1024;

const search = defineTool({
  name: 'fs.search',
  description:
    'Files below a folder whose path matches a pattern (`*`, `**`, `?`) and whose text holds some words: { matches: [{ path, line?, text? }] }.',
  schema: z.strictObject({
    path: z.string().max(1024).default('.'),
    name: z.string().min(1).max(200).default('**'),
    text: z.string().min(1).max(1000).optional(),
  }),
  call: async ({ path: folder, name, text }, { files, signal }) => {
    const wanted = patternOf(name);
    const found = (await files.list(folder)).filter(({ path: each }) => wanted.test(each));
    const matches: Json[] = [];
    for (const { path: each, bytes } of found) {
      signal.throwIfAborted();
      if (matches.length >= SEARCH_MOST) break;
      if (text === undefined) matches.push({ path: each });
      else if (bytes <= SEARCH_BYTES) matches.push(...(await linesWith(files, each, text)));
    }
    return {
      output: { matches: matches.slice(0, SEARCH_MOST), truncated: matches.length >= SEARCH_MOST },
      content: true,
    };
  },
});

async function linesWith(files: RunFiles, name: string, text: string): Promise<Json[]> {
  const lower = text.toLowerCase();
  return decoded(await files.read(name))
    .split('\n')
    .flatMap((line, at) =>
      line.toLowerCase().includes(lower)
        ? [{ path: name, line: at + 1, text: line.trim().slice(0, 300) }]
        : [],
    );
}

/** A pattern of paths: `**` is anything, `*` anything within a folder, `?` one character. Without a slash it is a name. */
function patternOf(pattern: string): RegExp {
  const parts = pattern.split(/(\*\*\/?|\*|\?)/).map((piece) => {
    if (piece === '**/') return '(?:.*/)?';
    if (piece === '**') return '.*';
    if (piece === '*') return '[^/]*';
    return piece === '?' ? '[^/]' : piece.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  });
  const anywhere = pattern.includes('/') || pattern.startsWith('**') ? '' : '(?:.*/)?';
  return new RegExp(`^${anywhere}${parts.join('')}$`, 'i');
}

export const textTools = [extract, diff, search];
