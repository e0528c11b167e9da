import type { EventLog } from '../log/event-log.js';
import { foldAll, type RunState } from './run-state.js';

/** No run has this id. */
export class RunNotFoundError extends Error {
  readonly code = 'run-not-found';
  constructor(readonly runId: string) {
    super(`there is no run ${runId}`);
    this.name = 'RunNotFoundError';
  }
}

/** Replays a run's history. */
export async function loadRun(log: EventLog, runId: string): Promise<RunState> {
  const state = foldAll(await log.read(runId));
  if (!state) throw new RunNotFoundError(runId);
  return state;
}

/** Folds what others wrote since. */
export async function refreshRun(log: EventLog, state: RunState): Promise<RunState> {
  return foldAll(await log.read(state.runId, state.seq), state) ?? state;
}
