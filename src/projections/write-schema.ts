import { writeFile } from 'node:fs/promises';
import { generateSchema, schemaFile } from './database.js';

/** Writes the generated SQL into the tree, where a review shows what a change of the entities does. */
await writeFile(schemaFile, await generateSchema());
