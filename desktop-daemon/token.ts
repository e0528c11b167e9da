import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdir, open, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SettingsError } from './settings.js';

const OTHERS = 0o077;

/** The bearer token of a daemon: made at its first start, readable for its own user alone. */
export async function tokenIn(file: string): Promise<string> {
  const known = await readToken(file);
  if (known !== undefined) return known;
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const token = randomBytes(32).toString('base64url');
  try {
    const handle = await open(file, 'wx', 0o600);
    await handle.writeFile(`${token}\n`);
    await handle.close();
    return token;
  } catch (error) {
    // Another daemon was faster.
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return (await readToken(file))!;
    throw error;
  }
}

/** Throws when others can read it: it is their token too, then. */
async function readToken(file: string): Promise<string | undefined> {
  const facts = await stat(file).catch(() => undefined);
  if (!facts) return undefined;
  if (process.platform !== 'win32' && (facts.mode & OTHERS) !== 0)
    throw new SettingsError(`${file}: others can read the token; remove the file, and a new one is made`);
  const token = (await readFile(file, 'utf8')).trim();
  if (token.length < 32)
    throw new SettingsError(`${file}: holds no token; remove the file, and a new one is made`);
  return token;
}

/** Whether an `Authorization` header holds the token. It takes the same time whatever is wrong with it. */
export function isAuthorized(header: string | undefined, token: string): boolean {
  const [, given = ''] = /^Bearer\s+(.+)$/i.exec(header ?? '') ?? [];
  return timingSafeEqual(digest(given), digest(token));
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
