import { eventId, type Envelope } from '#events/envelope.js';
import { isRefusal, type OwnerCommand, type Refusal } from '#machines/run/run.decide.js';
import { ConflictError, LogUnavailableError, type EventLog, type StoredEvent } from '../log/event-log.js';
import type { Lease } from './lease.js';
import { foldAll, write, type RunState } from './run-state.js';

/** The state of a run in the hands of one owner, and the only way in which that owner changes it: through the log. */
export interface RunWriter {
  readonly state: RunState;
  /** Another worker has written to the run since: it is that one's. */
  readonly fenced: boolean;
  /** Decides and appends. `conflict`: somebody else wrote first, and the state is to be refreshed. */
  write(command: OwnerCommand): Promise<Refusal | 'written' | 'conflict'>;
  /** Folds what others wrote. */
  readonly refresh: () => Promise<void>;
  /** Asks the log itself for what others wrote; what it says counts as of the question. */
  readonly look: () => Promise<void>;
}

const LOG_RETRY_MS = 500;

/** A log that does not answer is asked again in a while; any other error is the caller's. */
async function untilAnswered<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof LogUnavailableError)) throw error;
      await new Promise((resolve) => setTimeout(resolve, LOG_RETRY_MS));
    }
  }
}

function isOfAnotherWorker({ body }: StoredEvent, self: string): boolean {
  // Whatever was stored: what is no event at all is for the fold to refuse.
  const { actor } = (body ?? {}) as Partial<Envelope>;
  return actor !== undefined && actor.startsWith('worker:') && actor !== self;
}

export function createRunWriter(log: EventLog, workerId: string, initial: RunState, lease: Lease): RunWriter {
  const self = `worker:${workerId}`;
  const { runId } = initial;
  let state = initial;
  let fenced = false;

  /** The same event goes again until the log has answered: it may have been stored although nobody heard of it. */
  async function append(after: Omit<RunState, 'seq'>, envelope: Envelope): Promise<'written' | 'conflict'> {
    const askedAt = lease.now();
    try {
      state = { ...after, seq: await untilAnswered(() => log.append(envelope, state.seq)) };
    } catch (error) {
      if (error instanceof ConflictError) return 'conflict';
      throw error;
    }
    lease.confirm(askedAt);
    return 'written';
  }

  /** What this owner has begun goes on while the log cannot be read: a run is not lost for that. */
  async function refresh(): Promise<void> {
    const events = await untilAnswered(() => log.read(runId, state.seq));
    fenced ||= events.some((stored) => isOfAnotherWorker(stored, self));
    state = foldAll(events, state) ?? state;
  }

  return {
    get state() {
      return state;
    },
    get fenced() {
      return fenced;
    },
    write: async (command) => {
      const time = new Date().toISOString();
      const written = write(state, command, { actor: self, time, causationid: eventId(runId, state.rev) });
      return isRefusal(written) ? written : append(written.after, written.envelope);
    },
    refresh,
    look: async () => {
      const askedAt = lease.now();
      const head = await untilAnswered(() => log.head(runId));
      if (head > state.seq) await refresh();
      // A read may come from a copy that is behind what the log has just said.
      if (state.seq >= head && !fenced) lease.confirm(askedAt);
    },
  };
}
