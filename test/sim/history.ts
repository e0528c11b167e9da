import type { Envelope } from '#events/envelope.js';
import { isResting } from '#machines/run/run.effects.js';
import type { StoredEvent } from '../../src/log/event-log.js';
import { foldAll } from '../../src/runs/run-state.js';
import type { Kept, SimulatedLog } from './simulated.log.js';

export const runsOf = (log: SimulatedLog): string[] => [...new Set(log.events.map(({ runId }) => runId))];

export const storedEvent = ({ partition, seq, text }: Kept): StoredEvent => ({
  partition,
  seq,
  body: JSON.parse(text) as unknown,
});

export const statusAfter = ({ text }: Kept): string => (JSON.parse(text) as Envelope).stateto;

const ENDS: ReadonlySet<string> = new Set(['succeeded', 'failed', 'cancelled', 'quarantined']);
export const hasEnded = (events: readonly Kept[]): boolean => ENDS.has(statusAfter(events.at(-1)!));

/** Whether a run has ended or waits for nobody but a person. Only the machine knows whether a deadline is still awaited. */
export function isAtRest(events: readonly Kept[]): boolean {
  const status = statusAfter(events.at(-1)!);
  if (ENDS.has(status) || status === 'paused') return true;
  return status === 'awaiting-approval' && awaitsNobodyElse(events);
}

function awaitsNobodyElse(events: readonly Kept[]): boolean {
  try {
    return isResting(foldAll(events.map(storedEvent))!.snapshot);
  } catch {
    // Of a damaged run nobody can tell.
    return true;
  }
}
