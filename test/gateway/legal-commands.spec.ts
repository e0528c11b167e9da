import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { commandsIn, type RunFactsForCommands } from '#machines/run/run.commands.js';
import { controlAt } from '#machines/run/run.context.js';
import { legalCommands, type RunSnapshot } from '#machines/run/run.decide.js';
import { statusOf } from '#machines/run/run.effects.js';
import type { StepRecord } from '#machines/step/move-step.js';
import { histories } from '../machines/random-history.js';

/** What the rows say of a step: doubt has a state of its own only once it was noted. */
const ROW_STATES: Readonly<Record<string, string>> = { inDoubt: 'running' };
/** Approval is asked for with `step.approval-requested`; until then nobody has been asked. */
const rowState = ({ state, argumentHash }: StepRecord): string =>
  state === 'awaitingApproval' && argumentHash === undefined ? 'running' : (ROW_STATES[state] ?? state);

/** What the read model knows of a run. */
function factsOf(snapshot: RunSnapshot, now: string): RunFactsForCommands {
  const { context } = snapshot;
  return {
    status: statusOf(snapshot),
    exhausted: context.exhausted !== null,
    held: controlAt(context, now) !== null,
    steps: context.startedAt === null ? [] : context.steps.map(rowState),
  };
}

describe('the commands a reader is told', () => {
  it('are those the machine accepts, in every state of every history', () => {
    fc.assert(
      fc.property(histories, ({ snapshots }) => {
        for (const snapshot of snapshots) {
          const now = '2026-11-22T09:00:30.000Z';
          expect(commandsIn(factsOf(snapshot, now)).toSorted()).toEqual(
            legalCommands(snapshot, now).toSorted(),
          );
        }
      }),
      { numRuns: 300, seed: 7 },
    );
  });

  it('were compared in every status there is', () => {
    const seen = new Set<string>();
    for (const { snapshots } of fc.sample(histories, { numRuns: 600, seed: 7 })) {
      for (const snapshot of snapshots) seen.add(statusOf(snapshot));
    }
    expect([...seen].sort()).toEqual([
      'awaiting-approval',
      'cancelled',
      'cancelling',
      'executing',
      'failed',
      'paused',
      'pausing',
      'planning',
      'queued',
      'succeeded',
      'validating',
    ]);
  });

  it('are none for a status this version does not know', () => {
    const facts = { status: 'quarantined', exhausted: false, held: false, steps: ['awaitingApproval'] };
    expect(commandsIn(facts)).toEqual([]);
  });
});
