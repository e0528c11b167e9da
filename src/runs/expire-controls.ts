import { isRefusal } from '#machines/run/run.decide.js';
import type { EventLog } from '../log/event-log.js';
import { handleCommand } from './handle-command.js';

/** A lease that has run out, as the read model knows it. */
export interface ExpiredControl {
  readonly runId: string;
  readonly lease: string;
}

export interface ExpireDeps {
  readonly log: EventLog;
  expired(now: string): readonly ExpiredControl[];
  onFault(error: unknown): void;
}

const EVERY_MS = 500;

/** Writes into the log that leases have run out. The lease itself ends by its time, whether or not this runs. */
export function expireControls(deps: ExpireDeps): { stop(): void } {
  let busy = false;
  const sweep = async (): Promise<void> => {
    const now = new Date().toISOString();
    for (const { runId, lease } of deps.expired(now)) {
      const by = { actor: 'system', causationid: `lease:${lease}` };
      const after = await handleCommand(deps.log, runId, { kind: 'ExpireControl', lease }, by);
      // Refused when the holder was faster: a heartbeat, a handback.
      if (isRefusal(after)) continue;
    }
  };
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    sweep()
      .catch((error: unknown) => deps.onFault(error))
      .finally(() => {
        busy = false;
      });
  }, EVERY_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
