import { describe, expect, it } from '@jest/globals';
import { howToRepeat, simulate } from './simulation.js';
import type { Break } from './scenario.js';

const SEEDS = Array.from({ length: 150 }, (_, place) => place + 1);

/** The seed that first violates an invariant while a protection is switched off. */
async function firstCaught(broken: Break, invariant: string): Promise<number | undefined> {
  for (const seed of SEEDS) {
    const { violations } = await simulate(seed, broken);
    if (violations.some((violation) => violation.invariant === invariant)) return seed;
  }
  return undefined;
}

describe('runs, workers and people under every fault at once', () => {
  it('hold every invariant', async () => {
    const totals: Record<string, number> = {};
    for (const seed of SEEDS) {
      const { violations, counts } = await simulate(seed);
      expect({ repeat: howToRepeat(seed), violations }).toEqual({
        repeat: howToRepeat(seed),
        violations: [],
      });
      for (const [what, count] of Object.entries(counts)) totals[what] = (totals[what] ?? 0) + count;
    }
    // A simulation in which nothing happens would hold them too.
    expect(totals.acts).toBeGreaterThan(500);
    expect(totals.takeovers).toBeGreaterThan(10);
    for (const fault of ['crashes', 'freezes', 'redeliveries', 'duplicates', 'lost messages', 'lost hints'])
      expect({ fault, hits: totals[fault] }).toEqual({ fault, hits: expect.any(Number) });
  });

  it('go the same way when they are played again', async () => {
    const [first, second] = [await simulate(7), await simulate(7)];
    // Workers choose their names at random.
    const told = (story: readonly string[]) =>
      story.map((line) => line.replace(/[\w-]+-\d+-[0-9a-f]{6}/, 'worker'));
    expect(told(second.story)).toEqual(told(first.story));
  });
});

describe('a protection that is switched off', () => {
  it.each<[Break, string]>([
    ['no-fencing', 'I13 an owner that has lost its run acts no more'],
    ['no-intent', 'I10 an unsafe effect happens at most once, or the log says it is in doubt'],
    ['no-conflict-check', 'I4 revisions count from 1 without gap or repeat'],
  ])('is missed: %s violates %s', async (broken, invariant) => {
    expect(await firstCaught(broken, invariant)).toBeDefined();
  });
});
