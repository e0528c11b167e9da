import { eventId } from '#events/envelope.js';
import { isRefusal, type OwnerCommand, type Refusal } from '#machines/run/run.decide.js';
import { ConflictError, LogUnavailableError, type EventLog } from '../log/event-log.js';
import { refreshRun } from './load-run.js';
import { write, type RunState } from './run-state.js';

/** The state of a run in the hands of one owner, and the only way in which that owner changes it: through the log. */
export interface RunWriter {
  readonly state: RunState;
  /** Another owner has claimed the run since. */
  readonly fenced: boolean;
  /** Decides and appends. `conflict`: somebody else wrote first, and the state is to be refreshed. */
  write(command: OwnerCommand): Promise<Refusal | 'written' | 'conflict'>;
  /** Folds what others wrote. */
  refresh(): Promise<void>;
}

const LOG_RETRY_MS = 500;

/** A log that does not answer is asked again in a while; any other error is the caller's. */
async function waitForLog(error: unknown): Promise<void> {
  if (!(error instanceof LogUnavailableError)) throw error;
  await new Promise((resolve) => setTimeout(resolve, LOG_RETRY_MS));
}

export function createRunWriter(log: EventLog, workerId: string, initial: RunState): RunWriter {
  let state = initial;
  let epoch = initial.snapshot.context.epoch;

  /** The same event goes again until the log has answered: it may have been stored although nobody heard of it. */
  async function append(after: Omit<RunState, 'seq'>, envelope: Parameters<EventLog['append']>[0]) {
    for (;;) {
      try {
        state = { ...after, seq: await log.append(envelope, state.seq) };
        return 'written' as const;
      } catch (error) {
        if (error instanceof ConflictError) return 'conflict' as const;
        await waitForLog(error);
      }
    }
  }

  /** What this owner has begun goes on while the log cannot be read: a run is not lost for that. */
  async function refresh(): Promise<void> {
    for (;;) {
      try {
        state = await refreshRun(log, state);
        return;
      } catch (error) {
        await waitForLog(error);
      }
    }
  }

  return {
    get state() {
      return state;
    },
    get fenced() {
      return state.snapshot.context.epoch > epoch;
    },
    write: async (command) => {
      const time = new Date().toISOString();
      const by = { actor: `worker:${workerId}`, time, causationid: eventId(state.runId, state.rev) };
      const written = write(state, command, by);
      if (isRefusal(written)) return written;
      const result = await append(written.after, written.envelope);
      if (result === 'written') epoch = Math.max(epoch, ownEpoch(command));
      return result;
    },
    refresh,
  };
}

function ownEpoch(command: OwnerCommand): number {
  if (command.kind !== 'Record') return 0;
  const { event } = command;
  return event.type === 'run.started' || event.type === 'run.recovered' ? event.data.epoch : 0;
}
