import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withConfigTable } from './config-table.js';
import { packageRoot } from './package-root.js';

const file = join(packageRoot, 'README.md');
await writeFile(file, withConfigTable(await readFile(file, 'utf8')));
