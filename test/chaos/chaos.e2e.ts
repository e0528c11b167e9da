import { describe, expect, it } from '@jest/globals';
import type { Break } from '../../src/config.js';
import { runChaos, type ChaosOptions } from './chaos.js';

/** Long enough for a machine that has other things to do. */
const HANG_MS = 480_000;

/** What `npm run chaos` does for minutes, for a few seconds. */
const short = (seed: number, broken?: Break, holdMs = 30): ChaosOptions => ({
  seed,
  broken,
  forMs: 15_000,
  runs: Infinity,
  workers: 3,
  lanes: 24,
  leaseMs: 1_200,
  faultEveryMs: 600,
  holdMs,
  settleMs: 90_000,
  floor: { runs: 20, kills: 5 },
  // A gateway need not have died in so short a time, nor a person have come to each kind of decision.
  mayMiss: new Set(['I2', 'I9', 'I12', 'I14', 'I15', 'I16', 'I17', 'I20', 'I21']),
});

/**
 * The first of three short runs in which an invariant is violated, or what the last one violated: in a few seconds a fault
 * may come too late for what it is to break.
 */
async function violated(broken: Break, invariant: string, holdMs?: number): Promise<string[]> {
  let seen: string[] = [];
  for (let seed = 1; seed <= 3 && !seen.includes(invariant); seed++) {
    const { findings } = await runChaos(short(seed, broken, holdMs), new AbortController().signal);
    seen = findings.filter(({ violations }) => violations.length > 0).map((finding) => finding.invariant);
  }
  return seen;
}

describe('a deployment of real processes that are killed and frozen while they work', () => {
  it(
    'holds every invariant',
    async () => {
      const { passed, findings, tooLittle, stories } = await runChaos(short(1), new AbortController().signal);
      const broken = findings.filter(({ violations }) => violations.length > 0);
      expect({ broken, tooLittle, stories }).toEqual({
        broken: [],
        tooLittle: [],
        stories: expect.any(Array),
      });
      expect(passed).toBe(true);
    },
    HANG_MS,
  );
});

describe('a deployment with a protection switched off', () => {
  it(
    'does not notice a forged event without its hash chain, which the checks do',
    async () => {
      expect(await violated('no-hash', 'I18')).toContain('I18');
    },
    HANG_MS,
  );

  it(
    'repeats acts without a word when it commits no intent, which the checks notice',
    async () => {
      // Whoever dies, mostly dies between an act and the word of it.
      expect(await violated('no-intent', 'I10', 400)).toContain('I10');
    },
    HANG_MS,
  );
});
