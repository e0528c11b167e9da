import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
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
  loadProfile(name: string): Promise<StorageState | undefined>;
  saveProfile(name: string, state: StorageState): Promise<void>;
}

export function createSessionStore(agentFsRoot: string): SessionStore {
  const ofRun = (runId: string) => join(agentFsRoot, 'sessions', `${runId}.json`);
  const ofProfile = (name: string) => join(agentFsRoot, 'profiles', `${name}.json`);
  return {
    load: (runId) => readJson<SavedSession>(ofRun(runId)),
    save: (runId, session) => writeSecret(join(agentFsRoot, 'sessions'), ofRun(runId), session),
    forget: (runId) => rm(ofRun(runId), { force: true }),
    loadProfile: (name) => readJson<StorageState>(ofProfile(name)),
    saveProfile: (name, state) => writeSecret(join(agentFsRoot, 'profiles'), ofProfile(name), state),
  };
}

async function readJson<T>(file: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as T;
  } catch {
    // Not there, or cut off by a crash of older times: a session begins empty.
    return undefined;
  }
}

async function writeSecret(folder: string, file: string, value: unknown): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}.tmp`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(JSON.stringify(value));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}
