import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { opendir, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Json } from '#events/shapes.js';
import { DeskError } from './errors.js';

/** Looks into folders that were allowed, and into no others. */
export interface Folders {
  /** `{ path, files }`: the folder’s own path, and what is in it by paths below it, in order. Links are not followed. */
  list(path: string, how: { deep: boolean; only: string | undefined }, signal: AbortSignal): Promise<Json>;
}

const MOST_ENTRIES = 5_000;

export function createFolders(allowed: readonly string[]): Folders {
  async function open(path: string): Promise<string> {
    if (!isAbsolute(path) || path.includes('\0'))
      throw new DeskError('bad-argument', 'the path of a folder is absolute');
    const real = await realpath(path).catch(() => undefined);
    const facts = real === undefined ? undefined : await stat(real);
    const roots = await Promise.all(allowed.map((root) => realpath(root).catch(() => root)));
    if (!roots.some((root) => isBelow(root, real ?? path)))
      throw new DeskError('folder-not-allowed', 'this folder is not one that missions may look into');
    if (real === undefined || !facts?.isDirectory())
      throw new DeskError('file-not-found', 'there is no such folder');
    return real;
  }

  return {
    list: async (path, { deep, only }, signal) => {
      const root = await open(path);
      const found: { path: string; kind: 'file' | 'folder'; bytes?: number; digest?: string }[] = [];
      for await (const entry of await opendir(root, { recursive: deep })) {
        signal.throwIfAborted();
        if (found.length >= MOST_ENTRIES)
          throw new DeskError('bad-argument', `there are more than ${MOST_ENTRIES} files in this folder`);
        const whole = join(entry.parentPath, entry.name);
        const below = relative(root, whole);
        if (only !== undefined && below !== only) continue;
        if (entry.isDirectory()) found.push({ path: below, kind: 'folder' });
        else if (entry.isFile()) found.push({ path: below, kind: 'file', ...(await factsOf(whole, signal)) });
      }
      return { path: root, files: found.sort((left, right) => (left.path < right.path ? -1 : 1)) };
    },
  };
}

const isBelow = (root: string, path: string): boolean => {
  const way = relative(root, path);
  return way === '' || (!way.startsWith('..') && !isAbsolute(way));
};

async function factsOf(path: string, signal: AbortSignal): Promise<{ bytes: number; digest: string }> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash, { signal });
  return { bytes: (await stat(path)).size, digest: hash.digest('hex') };
}
