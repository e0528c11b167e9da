import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that holds package.json, wherever this file runs from (src/ or dist/src/). */
export const packageRoot: string = findRoot(dirname(fileURLToPath(import.meta.url)));

/** A compiled file, for what must run outside this module graph: worker threads and child processes. */
export const compiledFile = (path: string): string => join(packageRoot, 'dist', path);

function findRoot(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error('package.json of skyagentos was not found');
  return findRoot(parent);
}
