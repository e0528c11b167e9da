import { setTimeout as sleep } from 'node:timers/promises';

/** What the gateway answered. */
export interface Reply {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  /** How many tries it took, and when the last of them began. */
  readonly tries: number;
  readonly startedAt: number;
}

export interface Ask {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
}

export interface Client {
  /** Asks until somebody answers who can tell: a gateway that is dead, frozen or cut off from its log cannot. */
  ask(path: string, ask?: Ask): Promise<Reply>;
  /** Answers by status, faults of the server among them. */
  readonly statuses: ReadonlyMap<number, number>;
  /** Answers that say the server itself is at fault. */
  readonly faults: readonly string[];
}

/** The gateway did not answer for so long that it never will. */
export class NoAnswerError extends Error {
  readonly code = 'no-answer';
}

const TRY_MS = 4_000;
const PAUSE_MS = 100;
const GIVE_UP_MS = 90_000;
const CANNOT_TELL: ReadonlySet<number> = new Set([500, 502, 503, 504]);

export function createClient(url: () => string): Client {
  const statuses = new Map<number, number>();
  const faults: string[] = [];

  async function attempt(path: string, { method = 'GET', headers, body }: Ask) {
    const response = await fetch(`${url()}${path}`, {
      method,
      headers: { ...(body && { 'content-type': 'application/json' }), ...headers },
      body: body ? JSON.stringify(body) : null,
      signal: AbortSignal.timeout(TRY_MS),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
    if (response.status === 500) faults.push(`${method} ${path}: ${JSON.stringify(answer)}`);
    return { status: response.status, body: answer };
  }

  return {
    statuses,
    faults,
    ask: async (path, ask = {}) => {
      const deadline = Date.now() + GIVE_UP_MS;
      let last = '';
      for (let tries = 1; Date.now() < deadline; tries++) {
        const startedAt = Date.now();
        const reply = await attempt(path, ask).catch((error: unknown) => void (last = String(error)));
        if (reply && !CANNOT_TELL.has(reply.status)) return { ...reply, tries, startedAt };
        if (reply) last = JSON.stringify(reply.body);
        await sleep(PAUSE_MS);
      }
      throw new NoAnswerError(
        `no answer to ${ask.method ?? 'GET'} ${path} within ${GIVE_UP_MS} ms; last: ${last}`,
      );
    },
  };
}
