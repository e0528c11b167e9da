import { describe, expect, it } from '@jest/globals';
import { stopCheckingHashes } from '../../src/log/hash-chain.js';
import { simulate } from './simulation.js';

/** In a file of its own: nothing lets a process check hashes again. */
describe('a log that was damaged, read by workers that check no hashes', () => {
  it('is believed', async () => {
    stopCheckingHashes();
    const outcomes = [];
    for (let seed = 1; seed <= 20; seed++) outcomes.push(await simulate(seed, 'no-hash'));
    const violated = outcomes.flatMap(({ violations }) => violations.map(({ invariant }) => invariant));
    expect(violated).toContain('I18 a damaged run is put into quarantine, and goes on no other way');
  });
});
