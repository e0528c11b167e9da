import type { SkyvernClient, SkyvernSession } from './skyvern.client.js';

/** Browser sessions in Skyvern that the steps of a run share, and that a person can look into there. */
export interface SkyvernSessions {
  /** The id of the run's session, opened when there is none that still runs. */
  of(runId: string, signal: AbortSignal): Promise<string>;
  readonly pageOf: (runId: string) => string | undefined;
  readonly runIds: readonly string[];
  end(runId: string): Promise<void>;
}

/** After this Skyvern closes a session by itself, also one that nobody closes because of a crash. */
const MINUTES = 60;
const CLOSE_MS = 5_000;
const OPEN: ReadonlySet<string> = new Set(['created', 'running', 'retry']);

export function createSkyvernSessions(client: SkyvernClient): SkyvernSessions {
  const sessions = new Map<string, SkyvernSession>();

  async function end(runId: string): Promise<void> {
    const session = sessions.get(runId);
    sessions.delete(runId);
    if (session)
      await client
        .closeSession(session.browser_session_id, AbortSignal.timeout(CLOSE_MS))
        .catch(() => undefined);
  }

  return {
    of: async (runId, signal) => {
      const known = sessions.get(runId);
      const now = known && (await client.session(known.browser_session_id, signal).catch(() => undefined));
      const session = now && OPEN.has(now.status ?? '') ? now : await client.openSession(MINUTES, signal);
      sessions.set(runId, session);
      return session.browser_session_id;
    },
    pageOf: (runId) => sessions.get(runId)?.app_url ?? undefined,
    get runIds() {
      return [...sessions.keys()];
    },
    end,
  };
}
