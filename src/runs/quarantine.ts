import { eventTypeOf, type Envelope } from '#events/envelope.js';
import { IllegalTransitionError } from '#machines/kernel/errors.js';
import { failure } from '../failures/failures.js';
import { ConflictError, type EventLog, type StoredEvent } from '../log/event-log.js';
import { BrokenChainError } from '../log/hash-chain.js';
import { UnreadableRunError, writeQuarantine } from './run-state.js';

/** An effect whose outcome the run refuses twice in the same state: it would go on for ever. */
export class StuckEffectError extends Error {
  readonly code = 'effect-stuck';
  constructor(effectId: string, why: string) {
    super(`the outcome of ${effectId} is refused: ${why}`);
    this.name = 'StuckEffectError';
  }
}

/** Whether an error comes out of the run's own history, so that no other try, here or elsewhere, can end otherwise. */
export const isPoison = (error: unknown): error is Error =>
  error instanceof BrokenChainError ||
  error instanceof IllegalTransitionError ||
  error instanceof StuckEffectError ||
  (error instanceof UnreadableRunError && !error.newer);

/**
 * Recoveries in a row, with nothing else between, after which a run counts as what kills its owners. Five were too few:
 * runs that had done nothing wrong came to that while all processes of a deployment died every few seconds.
 */
const MOST_RECOVERIES = 12;

/** How often a run has lost its owner since it last moved. One that claimed its own run anew had not died. */
export function recoveriesInARow(events: readonly StoredEvent[]): number {
  const told = events.filter(({ body }) => (body as Envelope).data.continued !== true);
  const types = told.map(({ body }) => eventTypeOf(body as Envelope));
  return types.length - 1 - types.findLastIndex((type) => type !== 'run.recovered');
}

export const killsItsOwners = (events: readonly StoredEvent[]): boolean =>
  recoveriesInARow(events) >= MOST_RECOVERIES;

/** Leaves one run alone for good, with the reason in its log; all others go on. */
export async function quarantine(
  log: EventLog,
  runId: string,
  reason: string,
  by: { readonly actor: string },
): Promise<void> {
  for (;;) {
    const events = await log.read(runId);
    const last = events.at(-1);
    if (!last || isQuarantine(last)) return;
    const authorship = { ...by, time: new Date().toISOString(), causationid: `sequence:${last.seq}` };
    const envelope = writeQuarantine(
      runId,
      last,
      events.length,
      failure('run-quarantined', reason),
      authorship,
    );
    try {
      await log.append(envelope, last.seq);
      return;
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
    }
  }
}

const isQuarantine = ({ body }: StoredEvent): boolean =>
  (body as Partial<Envelope> | null)?.type === 'skyagent.run.quarantined';
