import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const BYTES = 32;

/**
 * The key that signs what travels with MCP clients: a question put to a person. It is kept in the home, so that an answer
 * still counts after a restart.
 */
export function stateKeyOf(home: string): Buffer {
  const file = join(home, 'mcp-state.key');
  try {
    mkdirSync(home, { recursive: true });
    writeFileSync(file, randomBytes(BYTES), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFileSync(file);
}
