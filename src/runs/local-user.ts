import { setTimeout as sleep } from 'node:timers/promises';
import { isRefusal } from '#machines/run/run.decide.js';
import type { EventLog } from '../log/event-log.js';
import type { LocalPerson } from '../runtimes/desktop/seat.js';
import { ControlHeldError, handBack, renewControl, takeControl, WrongLeaseError } from './takeover.js';

/** Who holds the controls of a run when a person has touched the mouse of its desktop. */
const LOCAL_USER = 'local user';
const LEASE_MS = 60_000;
const RENEW_MS = 20_000;
const LOOK_MS = 50;

export interface LocalUsers extends LocalPerson {
  stop(): void;
}

/**
 * Gives the controls of a run to the person who sits at its desktop, and keeps them there until the desktop is given back.
 * A process that dies meanwhile lets the lease run out: the run stays paused.
 */
export function createLocalUsers(
  log: EventLog,
  onFault: (runId: string, error: unknown) => void,
): LocalUsers {
  const leases = new Map<string, { lease: string; timer: NodeJS.Timeout }>();
  const coming = new Map<string, Promise<boolean>>();

  async function take(runId: string, desktop: string, by: string | undefined): Promise<boolean> {
    const how = by === undefined ? '' : ` (${by})`;
    const wish = {
      holder: LOCAL_USER,
      ttlMs: LEASE_MS,
      reason: `a person is at the desktop ${desktop}${how}`,
    };
    const taken = await takeControl({ log, changed: () => sleep(LOOK_MS) }, runId, wish, contextOf(desktop));
    if (isRefusal(taken)) return false;
    const { lease } = taken.control;
    const timer = setInterval(() => void renew(runId, lease), RENEW_MS).unref();
    leases.set(runId, { lease, timer });
    return true;
  }

  async function renew(runId: string, lease: string): Promise<void> {
    try {
      await renewControl(log, runId, { lease, ttlMs: LEASE_MS }, contextOf(runId));
    } catch (error) {
      // A log that does not answer now is asked again before the lease has run out.
      if (error instanceof WrongLeaseError) forget(runId);
      else onFault(runId, error);
    }
  }

  function forget(runId: string): string | undefined {
    const held = leases.get(runId);
    clearInterval(held?.timer);
    leases.delete(runId);
    return held?.lease;
  }

  async function giveBack(runId: string): Promise<void> {
    await coming.get(runId);
    const lease = forget(runId);
    if (lease !== undefined) await handBack(log, runId, { lease }, contextOf(runId));
  }

  return {
    came: (runId, desktop, by) => {
      const known = coming.get(runId);
      if (known) return known;
      if (leases.has(runId)) return Promise.resolve(true);
      const taking = take(runId, desktop, by)
        // Somebody has taken the controls from afar: the run rests already.
        .catch((error: unknown) => {
          if (error instanceof ControlHeldError) return true;
          onFault(runId, error);
          return false;
        })
        .finally(() => coming.delete(runId));
      coming.set(runId, taking);
      return taking;
    },
    left: (runId) => {
      giveBack(runId).catch((error: unknown) => onFault(runId, error));
    },
    stop: () => {
      for (const runId of leases.keys()) forget(runId);
    },
  };
}

const contextOf = (desktop: string) => ({ actor: 'operator:local-user', causationid: `desktop:${desktop}` });
