import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packageRoot } from './package-root.js';
import { skillFiles } from './skills.js';

for (const [path, text] of skillFiles()) {
  const file = join(packageRoot, 'templates', path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text, { mode: path.endsWith('.mjs') ? 0o755 : 0o644 });
}
