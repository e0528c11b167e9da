import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { commandsIn } from '#machines/run/run.commands.js';
import { legalCommands, type RunSnapshot } from '#machines/run/run.decide.js';
import { statusOf } from '#machines/run/run.effects.js';
import { histories } from '../machines/random-history.js';

/** What the read model knows of a run: `steps.state` becomes `awaitingApproval` with `step.approval-requested`. */
const asked = (snapshot: RunSnapshot): boolean =>
  snapshot.context.steps.some((step) => step.state === 'awaitingApproval' && step.argumentHash !== undefined);

describe('the commands a reader is told', () => {
  it('are those the machine accepts, in every state of every history', () => {
    fc.assert(
      fc.property(histories, ({ snapshots }) => {
        for (const snapshot of snapshots) {
          expect(commandsIn(statusOf(snapshot), asked(snapshot))).toEqual(legalCommands(snapshot));
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
    expect(commandsIn('quarantined', true)).toEqual([]);
  });
});
