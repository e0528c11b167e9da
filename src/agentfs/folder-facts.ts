import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  type BigIntStats,
} from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { sha256 } from '../log/hash-chain.js';
import { anchorAt, type Anchor } from './anchor.js';
import { QuotaExceededError } from './errors.js';

export interface FileFacts {
  readonly path: string;
  readonly digest: string;
  readonly bytes: number;
}

/** How much a run's folder may hold. */
export interface Quota {
  readonly maxBytes: number;
  readonly maxFiles: number;
}

/** What a process remembers of the folder of one run. Others write there too, so it is looked at again in a while. */
export interface FolderFacts {
  /** Throws QuotaExceededError when `bytes` more in `files` more files would be too much; else they count. */
  reserve(folder: string, bytes: number, files: number): Promise<void>;
  /** The digest of a file that is open; read only if it has changed since it was last asked for. */
  digest(path: string, handle: FileHandle): Promise<string>;
  /** Path, digest and size of every plain file below a folder. */
  list(folder: string, segments: readonly string[]): Promise<FileFacts[]>;
}

/** For how long a sum over the folder counts, in milliseconds. */
const SUM_COUNTS_MS = 10_000;
/** Longest piece of work without a turn of the event loop, in milliseconds. */
const PIECE_MS = 5;
/** What `writeAtomically` calls a file that is not whole yet. */
export const TEMPORARY = /^\.[0-9a-f]{16}\.tmp$/;

export function createFolderFacts({ maxBytes, maxFiles }: Quota): FolderFacts {
  /** Path → what the file was like when its digest was taken. */
  const digests = new Map<string, { readonly likeness: string; readonly digest: string }>();
  let sum = { bytes: 0, files: 0, at: -Infinity };

  async function list(folder: string, segments: readonly string[]): Promise<FileFacts[]> {
    const found: FileFacts[] = [];
    for await (const { path, where, stats } of filesBelow(folder, segments)) {
      const digest = digestOf(path, where, stats);
      if (digest !== undefined) found.push({ path, digest, bytes: Number(stats.size) });
    }
    return found.sort((left, right) => (left.path < right.path ? -1 : 1));
  }

  function digestOf(path: string, where: string, stats: BigIntStats): string | undefined {
    const likeness = likenessOf(stats);
    const known = digests.get(path);
    if (known?.likeness === likeness) return known.digest;
    const digest = readDigest(where);
    if (digest !== undefined) digests.set(path, { likeness, digest });
    return digest;
  }

  async function digest(path: string, handle: FileHandle): Promise<string> {
    const likeness = likenessOf(await handle.stat({ bigint: true }));
    const known = digests.get(path);
    if (known?.likeness === likeness) return known.digest;
    const hash = createHash('sha256');
    for await (const chunk of handle.createReadStream({ start: 0, autoClose: false }))
      hash.update(chunk as Buffer);
    const fresh = hash.digest('hex');
    digests.set(path, { likeness, digest: fresh });
    return fresh;
  }

  return {
    list,
    digest,
    reserve: async (folder, bytes, files) => {
      if (performance.now() - sum.at > SUM_COUNTS_MS)
        sum = { ...(await sumOf(folder)), at: performance.now() };
      if (bytes > 0 && sum.bytes + bytes > maxBytes) throw new QuotaExceededError('bytes', maxBytes);
      if (files > 0 && sum.files + files > maxFiles) throw new QuotaExceededError('files', maxFiles);
      sum = { ...sum, bytes: sum.bytes + bytes, files: sum.files + files };
    },
  };
}

const likenessOf = ({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  `${ino} ${size} ${mtimeNs} ${ctimeNs}`;

async function sumOf(folder: string): Promise<{ bytes: number; files: number }> {
  let [bytes, files] = [0, 0];
  for await (const { stats } of filesBelow(folder, [])) {
    bytes += Number(stats.size);
    files++;
  }
  return { bytes, files };
}

interface Found {
  readonly path: string;
  readonly where: string;
  readonly stats: BigIntStats;
}

/**
 * Plain files below a folder; links, hard links, devices and files that are not whole yet are passed over. The calls are
 * synchronous, which for thousands of small files takes a fifth of the time, and other work gets its turn in between.
 */
async function* filesBelow(folder: string, segments: readonly string[]): AsyncGenerator<Found> {
  let turnAt = performance.now() + PIECE_MS;
  const prefix = segments.map((segment) => `${segment}/`).join('');
  const open: { readonly anchor: Anchor; readonly prefix: string; readonly names: string[] }[] = [];
  const enter = (anchor: Anchor | undefined, at: string): void => {
    if (anchor) open.push({ anchor, prefix: at, names: namesIn(anchor) });
  };
  enter(anchorOf(folder, segments), prefix);
  try {
    for (let here = open.at(-1); here; here = open.at(-1)) {
      const name = here.names.pop();
      if (name === undefined) {
        open.pop()!.anchor.close();
        continue;
      }
      if (performance.now() > turnAt) {
        await turn();
        turnAt = performance.now() + PIECE_MS;
      }
      const where = here.anchor.at(name);
      const stats = lstatSync(where, { bigint: true, throwIfNoEntry: false });
      if (stats?.isDirectory()) enter(anchorOf(where, []), `${here.prefix}${name}/`);
      else if (stats?.isFile() && stats.nlink === 1n && !TEMPORARY.test(name))
        yield { path: here.prefix + name, where, stats };
    }
  } finally {
    for (const { anchor } of open) anchor.close();
  }
}

/** A folder that is not there, or went away, or became a link meanwhile, holds nothing. */
function anchorOf(folder: string, segments: readonly string[]): Anchor | undefined {
  const path = segments.join('/');
  try {
    return anchorAt(folder, segments, path);
  } catch (error) {
    if (segments.length > 0 && (error as { code?: string }).code === 'path-refused') throw error;
    return undefined;
  }
}

function namesIn(anchor: Anchor): string[] {
  try {
    return readdirSync(anchor.at('.')).sort().reverse();
  } catch {
    return [];
  }
}

/** The digest of a plain file; nothing, when it is none any more. */
function readDigest(where: string): string | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(where, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stats = fstatSync(fd);
    return stats.isFile() && stats.nlink === 1 ? sha256(readFileSync(fd)) : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
