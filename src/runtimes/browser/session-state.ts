import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BrowserContext } from 'playwright-core';

export type StorageState = Awaited<ReturnType<BrowserContext['storageState']>>;

/** What a run's browser holds, to be set up again: cookies and local storage, and the page that was in front. */
export interface SavedSession {
  readonly storage: StorageState;
  readonly url?: string | undefined;
}

/**
 * Cookies are keys to accounts: they lie beside the folders of the runs and not in them, where no tool of a run and no
 * reader of its files comes to, for this user's eyes alone.
 */
export interface SessionStore {
  load(runId: string): Promise<SavedSession | undefined>;
  save(runId: string, session: SavedSession): Promise<void>;
  forget(runId: string): Promise<void>;
  /** Runs of which something is kept. */
  runIds(): Promise<string[]>;
  loadProfile(name: string): Promise<StorageState | undefined>;
  saveProfile(name: string, state: StorageState): Promise<void>;
}

export function createSessionStore(agentFsRoot: string): SessionStore {
  const ofRun = (runId: string) => join(agentFsRoot, 'sessions', `${runId}.json`);
  const ofProfile = (name: string) => join(agentFsRoot, 'profiles', `${name}.json`);
  const inTurn = createTurns();
  return {
    load: (runId) => readJson<SavedSession>(ofRun(runId)),
    save: (runId, session) => inTurn(ofRun(runId), () => writeSecret(ofRun(runId), session)),
    forget: (runId) => inTurn(ofRun(runId), () => rm(ofRun(runId), { force: true })),
    runIds: () =>
      readdir(join(agentFsRoot, 'sessions')).then(
        (names) =>
          names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length)),
        () => [],
      ),
    loadProfile: (name) => readJson<StorageState>(ofProfile(name)),
    saveProfile: (name, state) => inTurn(ofProfile(name), () => writeSecret(ofProfile(name), state)),
  };
}

/** Work upon one file is done in the order in which it came: what is forgotten is not written again by a save before. */
function createTurns(): (file: string, work: () => Promise<void>) => Promise<void> {
  const last = new Map<string, Promise<void>>();
  return (file, work) => {
    const before = last.get(file) ?? Promise.resolve();
    const turn = before.catch(() => undefined).then(work);
    last.set(file, turn);
    return turn.finally(() => {
      if (last.get(file) === turn) last.delete(file);
    });
  };
}

async function readJson<T>(file: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as T;
  } catch {
    // Not there, or not readable: a session begins empty.
    return undefined;
  }
}

/** Readers see the old file or the new one, and nobody else's eyes see either. */
async function writeSecret(file: string, value: unknown): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(JSON.stringify(value));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
