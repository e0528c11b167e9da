import { randomBytes } from 'node:crypto';

/** What a ticket lets in: one look at the screen of one run, with the controls when it names their lease. */
export interface Admission {
  readonly runId: string;
  readonly actor: string;
  readonly lease: string | undefined;
}

/** How long a ticket waits to be used. */
const TTL_MS = 60_000;
const MOST_OPEN = 1_000;

/** Tickets for a WebSocket, which a browser opens without an Authorization header: each is good once, for a minute. */
export class Tickets {
  readonly #open = new Map<string, { admission: Admission; until: number }>();

  constructor(private readonly now: () => number = Date.now) {}

  issue(admission: Admission): { ticket: string; expiresAt: string } {
    for (const [ticket, { until }] of this.#open)
      if (until <= this.now() || this.#open.size >= MOST_OPEN) this.#open.delete(ticket);
    const ticket = randomBytes(32).toString('base64url');
    const until = this.now() + TTL_MS;
    this.#open.set(ticket, { admission, until });
    return { ticket, expiresAt: new Date(until).toISOString() };
  }

  /** Whom it would let in. */
  peek(ticket: string | undefined): Admission | undefined {
    const found = ticket === undefined ? undefined : this.#open.get(ticket);
    return found && found.until > this.now() ? found.admission : undefined;
  }

  /** Uses it up. */
  take(ticket: string | undefined): Admission | undefined {
    const admission = this.peek(ticket);
    if (ticket !== undefined) this.#open.delete(ticket);
    return admission;
  }
}
