import type { EventLog, Subscription } from '../log/event-log.js';
import { handleCommand } from './handle-command.js';
import { RunNotFoundError } from './load-run.js';
import { isPoison } from './quarantine.js';
import { RunQuarantinedError } from './run-state.js';

/** Turns timers that are due into `timer.fired` of their runs, by way of `decide` like any command. */
export function fireTimers(
  log: EventLog,
  onFault: (runId: string, error: unknown) => void,
): Promise<Subscription> {
  return log.claimTimers(async (due) => {
    const { runId, name } = due;
    const event = { type: 'timer.fired' as const, data: { timer: name } };
    const by = { actor: 'system', causationid: `timer:${due.dueAt}` };
    try {
      // Refused when it comes too late: the run was resumed, cancelled, or its limit raised. Then it is no timer any more.
      await handleCommand(log, runId, { kind: 'Record', event }, by);
      due.ack();
    } catch (error) {
      const never =
        error instanceof RunNotFoundError || error instanceof RunQuarantinedError || isPoison(error);
      if (never) return due.ack();
      onFault(runId, error);
      due.release();
    }
  });
}
