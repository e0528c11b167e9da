import { describe, expect, it } from '@jest/globals';
import { runChaos, type ChaosOptions } from './chaos.js';
import { inWords } from './report.js';

const SHORT: ChaosOptions = {
  seed: 20_261,
  forMs: 10_000,
  runs: Infinity,
  workers: 2,
  lanes: 12,
  leaseMs: 1_200,
  faultEveryMs: 900,
  settleMs: 60_000,
  floor: { runs: 10, kills: 5 },
};
const never = new AbortController().signal;
/** What a few seconds may not come to: a pause, a cancellation, a timer, an approval, a gateway that dies. */
const RARE: ReadonlySet<string> = new Set(['I2', 'I9', 'I11', 'I12', 'I14', 'I17']);

describe('a deployment whose processes are killed and frozen while it works', () => {
  it('breaks no promise', async () => {
    const report = await runChaos({ ...SHORT, mayMiss: RARE }, never);
    expect(inWords(report)).toContain('nothing was violated');
  }, 120_000);

  it('is caught when the log takes an append from somebody who is stale', async () => {
    const broken = { ...SHORT, forMs: 4_000, settleMs: 1_000, broken: 'no-conflict-check' as const };
    const { findings } = await runChaos({ ...broken, mayMiss: RARE }, never);
    const violated = findings.filter(({ violations }) => violations.length > 0);
    expect(violated.map(({ invariant }) => invariant)).toContain('I4');
  }, 120_000);
});
