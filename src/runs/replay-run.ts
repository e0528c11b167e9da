import { eventTypeOf, type Envelope } from '#events/envelope.js';
import { freeze, stateOf } from '#machines/kernel/kernel.js';
import { runMachineOf } from '#machines/registry.js';
import { statusOf } from '#machines/run/run.effects.js';
import type { StoredEvent } from '../log/event-log.js';
import { foldStored, type RunState } from './run-state.js';

/** One revision of a replayed history. */
export interface ReplayedEvent {
  readonly rev: number;
  readonly time: string;
  readonly type: string;
  readonly actor: string;
  readonly from: string;
  readonly to: string;
  readonly stepId?: string;
}

/** A history whose recorded state is not the one its machine reaches. */
export class ReplayMismatchError extends Error {
  readonly code = 'replay-mismatch';
  constructor(
    readonly rev: number,
    readonly recorded: string,
    readonly replayed: string,
  ) {
    super(`revision ${rev} recorded the state ${recorded}, and replay reaches ${replayed}`);
    this.name = 'ReplayMismatchError';
  }
}

export interface Replay {
  readonly timeline: readonly ReplayedEvent[];
  readonly state: RunState;
}

/**
 * Folds a history with the machine it is pinned to, checking the hash chain and every recorded state, up to `at`. Pure:
 * the states it passes through ask for effects, and nobody carries them out.
 */
export function replayRun(history: readonly StoredEvent[], at = Infinity): Replay {
  const timeline: ReplayedEvent[] = [];
  let state: RunState | undefined;
  for (const stored of history) {
    const body = stored.body as Envelope;
    if (body.rev > at) break;
    state = foldStored(state, stored);
    const reached = statusOf(state.snapshot);
    if (reached !== body.stateto) throw new ReplayMismatchError(body.rev, body.stateto, reached);
    timeline.push(timelineEntry(body));
  }
  if (!state) throw new RangeError('an empty history cannot be replayed');
  return { timeline, state };
}

/** The whole state as JSON, with where the machine is in words. */
export const stateAsJson = (state: RunState): object => ({
  rev: state.rev,
  machine: state.machine,
  status: statusOf(state.snapshot),
  active: stateOf(state.snapshot),
  snapshot: freeze(runMachineOf(state.machine), state.snapshot),
});

function timelineEntry(body: Envelope): ReplayedEvent {
  const { stepId } = body.data as { stepId?: string };
  const { rev, time, actor, statefrom, stateto } = body;
  return {
    rev,
    time,
    type: eventTypeOf(body),
    actor,
    from: statefrom,
    to: stateto,
    ...(stepId && { stepId }),
  };
}
