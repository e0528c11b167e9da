import {
  openSession,
  type BrowserSession,
  type Parting,
  type SessionDeps,
  type SessionTask,
} from './session.js';

/** The browsers of all runs of a process that have one. */
export interface Sessions {
  /** The run's session, opened when there is none or the one there was has crashed. In use until `done` is called. */
  use(task: SessionTask): Promise<{ session: BrowserSession; readonly done: () => void }>;
  peek(runId: string): BrowserSession | undefined;
  readonly runIds: readonly string[];
  /** Whether a run has left something to be set up again. */
  hasState(runId: string): Promise<boolean>;
  /** The run has ended: its session is closed, and what it held is forgotten but for its profile. */
  end(runId: string): Promise<void>;
  /** The run is another process's by now: what this one's session holds is out of date. */
  drop(runId: string): Promise<void>;
  close(): Promise<void>;
}

interface Entry {
  readonly opening: Promise<BrowserSession>;
  session?: BrowserSession;
  users: number;
  usedAt: number;
}

/** A session that nobody used for so long is closed; the run finds its cookies again, but not its tabs. */
const IDLE_MS = 30 * 60_000;
/** Sessions of runs at rest that stay open; the ones that were used longest ago are closed first. */
const MOST_AT_REST = 20;
/** A run between two steps is at rest for so long at least. */
const BRIEF_MS = 60_000;

export function createSessions(deps: SessionDeps): Sessions {
  const entries = new Map<string, Entry>();
  /** Runs that have left something: most runs open no browser, and their end costs nothing here. */
  const left = deps.store.runIds().then((runIds) => new Set(runIds));
  const sweeper = setInterval(() => sweep(), 60_000).unref();

  async function entryOf(task: SessionTask): Promise<{ entry: Entry; session: BrowserSession }> {
    const known = entries.get(task.runId);
    const session = await known?.opening.catch(() => undefined);
    if (known && session && !session.broken) return { entry: known, session };
    if (known && entries.get(task.runId) === known) {
      entries.delete(task.runId);
      await session?.close('keep');
    }
    const raced = entries.get(task.runId);
    if (raced) return entryOf(task);
    const entry: Entry = { opening: openSession(deps, task), users: 0, usedAt: Date.now() };
    entries.set(task.runId, entry);
    void left.then((runIds) => runIds.add(task.runId));
    try {
      entry.session = await entry.opening;
      return { entry, session: entry.session };
    } catch (error) {
      if (entries.get(task.runId) === entry) entries.delete(task.runId);
      throw error;
    }
  }

  async function close(runId: string, how: Parting): Promise<void> {
    const entry = entries.get(runId);
    entries.delete(runId);
    const session = await entry?.opening.catch(() => undefined);
    if (session) await session.close(how);
    else if (how === 'forget' && (await left).has(runId)) await deps.store.forget(runId);
    if (how === 'forget') (await left).delete(runId);
  }

  function sweep(): void {
    const atRest = [...entries]
      .filter(([, { users }]) => users === 0)
      .sort(([, a], [, b]) => a.usedAt - b.usedAt);
    for (const [index, [runId, { usedAt }]] of atRest.entries()) {
      const restedMs = Date.now() - usedAt;
      const old = restedMs > IDLE_MS || (restedMs > BRIEF_MS && index < atRest.length - MOST_AT_REST);
      if (old) void close(runId, 'keep').catch(() => undefined);
    }
  }

  return {
    use: async (task) => {
      const { entry, session } = await entryOf(task);
      entry.users++;
      return {
        session,
        done: () => {
          entry.users--;
          entry.usedAt = Date.now();
          if (entries.size > MOST_AT_REST) sweep();
        },
      };
    },
    peek: (runId) => entries.get(runId)?.session,
    get runIds() {
      return [...entries.keys()];
    },
    hasState: async (runId) => (await deps.store.load(runId)) !== undefined,
    end: (runId) => close(runId, 'forget'),
    drop: (runId) => close(runId, 'abandon'),
    close: async () => {
      clearInterval(sweeper);
      await Promise.all([...entries.keys()].map((runId) => close(runId, 'keep')));
      await deps.host.close();
    },
  };
}
