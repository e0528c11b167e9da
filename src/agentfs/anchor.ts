import { closeSync, constants, existsSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { asPathError, PathRefusedError } from './errors.js';

/**
 * A folder that is held open. On Linux a name below it is looked up through the open folder: whoever swaps a folder on the
 * way for a link meanwhile leads nobody elsewhere. Where there is no /proc the way is checked, and then trusted.
 */
export interface Anchor {
  /** Where a name directly below the folder is. */
  at(name: string): string;
  close(): void;
}

const HOLDS = existsSync('/proc/self/fd');
const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** Holds the folder of a run itself, or one below it. No part of the way may be a link; with `make` it is made. */
export function anchorAt(folder: string, segments: readonly string[], path: string, make = false): Anchor {
  if (make) mkdirSync(folder, { recursive: true });
  let anchor = hold(folder, path);
  for (const segment of segments) {
    const outer = anchor;
    try {
      if (make) makeFolder(outer.at(segment));
      anchor = hold(outer.at(segment), path, join(folder, segment));
    } finally {
      outer.close();
    }
  }
  return anchor;
}

function hold(where: string, path: string, plain = where): Anchor {
  try {
    const fd = openSync(where, FOLDER);
    const base = HOLDS ? `/proc/self/fd/${fd}` : plain;
    return { at: (name) => join(base, name), close: () => closeSync(fd) };
  } catch (error) {
    // A link in the place of a folder: the kernel calls it either.
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ELOOP' || code === 'ENOTDIR')
      throw new PathRefusedError(path, 'a part of it is not a folder');
    throw asPathError(error, path);
  }
}

function makeFolder(where: string): void {
  try {
    mkdirSync(where);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** The parts of a path that stays below the run's folder by its words alone. */
export function segmentsOf(path: string): string[] {
  if (path === '' || path.length > 1024) throw new PathRefusedError(path, 'expected 1 to 1024 characters');
  if (path.includes('\0') || path.includes('\\'))
    throw new PathRefusedError(path, 'it holds a NUL or a backslash');
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) throw new PathRefusedError(path, 'it is absolute');
  const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.');
  if (segments.length === 0 || segments.includes('..'))
    throw new PathRefusedError(path, "it leaves the run's folder");
  if (segments.some((segment) => Buffer.byteLength(segment) > 255))
    throw new PathRefusedError(path, 'a part of it is longer than 255 bytes');
  return segments;
}
