import { START_TIMER } from '#machines/run/run.effects.js';
import { isRefusal } from '#machines/run/run.decide.js';
import type { DueTimer, EventLog, Subscription } from '../log/event-log.js';
import { handleCommand } from './handle-command.js';
import { loadRun, RunNotFoundError } from './load-run.js';
import { isPoison } from './quarantine.js';
import { RunQuarantinedError } from './run-state.js';
import { submitNext } from './submit-mission.js';

/** Turns timers that are due into `timer.fired` of their runs, by way of `decide` like any command. */
export function fireTimers(
  log: EventLog,
  onFault: (runId: string, error: unknown) => void,
): Promise<Subscription> {
  return log.claimTimers(async (due) => {
    try {
      await fire(log, due);
      due.ack();
    } catch (error) {
      const never =
        error instanceof RunNotFoundError || error instanceof RunQuarantinedError || isPoison(error);
      if (never) return due.ack();
      onFault(due.runId, error);
      due.release();
    }
  });
}

/**
 * A timer that comes too late is refused: the run was resumed, cancelled, or its limit raised. A start brings the next run
 * of its schedule before it is settled; one that is delivered again, after a crash in between, does so too.
 */
async function fire(log: EventLog, { runId, name, dueAt }: DueTimer): Promise<void> {
  const by = { actor: 'system', causationid: `timer:${dueAt}` };
  const after = await handleCommand(log, runId, { kind: 'FireTimer', timer: name }, by);
  if (name !== START_TIMER) return;
  const state = isRefusal(after) ? await loadRun(log, runId) : after;
  // Still set: a person paused the run, which sets the timer again when it is resumed, or ended it with its schedule.
  if (state.snapshot.context.startAt === null) await submitNext(log, state, new Date());
}
