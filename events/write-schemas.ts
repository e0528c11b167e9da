import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderDocuments } from './schema-documents.js';

/** Writes the generated documents to `events/schemas`. Runs as `dist/events/write-schemas.js`, two folders down. */
const folder = join(import.meta.dirname, '..', '..', 'events', 'schemas');
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const [name, text] of renderDocuments()) writeFileSync(join(folder, name), text);
