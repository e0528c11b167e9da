import type { PersonCommand } from '#events/run.commands.js';
import { isRefusal, type FireTimer, type OwnerCommand, type Refusal } from '#machines/run/run.decide.js';
import { ConflictError, type EventLog } from '../log/event-log.js';
import { loadRun } from './load-run.js';
import { write, type RunState } from './run-state.js';

/** The run is not at the revision the caller asked about. */
export class StaleRevisionError extends Error {
  readonly code = 'stale-revision';
  constructor(
    readonly runId: string,
    readonly expected: number,
    readonly actual: number,
  ) {
    super(`run ${runId} is at revision ${actual}, not ${expected}`);
    this.name = 'StaleRevisionError';
  }
}

export interface CommandContext {
  readonly actor: string;
  readonly causationid: string;
  /** Only at this revision. */
  readonly ifRev?: number | undefined;
}

const MAX_CONFLICTS = 20;

/** Loads, decides, appends; decides again when somebody else was first. Answers the state after it, or the refusal. */
export async function handleCommand(
  log: EventLog,
  runId: string,
  command: PersonCommand | FireTimer | Extract<OwnerCommand, { kind: 'Record' }>,
  context: CommandContext,
): Promise<RunState | Refusal> {
  for (let conflicts = 0; ; conflicts++) {
    const state = await loadRun(log, runId);
    if (context.ifRev !== undefined && context.ifRev !== state.rev) {
      throw new StaleRevisionError(runId, context.ifRev, state.rev);
    }
    const time = new Date().toISOString();
    const written = write(state, command, { actor: context.actor, time, causationid: context.causationid });
    if (isRefusal(written)) return written;
    try {
      return { ...written.after, seq: await log.append(written.envelope, state.seq) };
    } catch (error) {
      if (!(error instanceof ConflictError) || conflicts >= MAX_CONFLICTS) throw error;
    }
  }
}
