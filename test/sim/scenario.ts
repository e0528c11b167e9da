import { missionRequestSchema, type MissionRequest } from '#events/mission.js';
import type { Random } from './random.js';

/** A protection that is switched off, to show what it is for. */
export const BREAKS = ['no-fencing', 'no-intent', 'no-conflict-check', 'no-hash'] as const;
export type Break = (typeof BREAKS)[number];

/** What goes wrong in one seed, and how often. Each seed has some faults and not others: together they hide each other. */
export interface Faults {
  /** Share of requests to the log that are lost on the way there, and of answers lost on the way back. */
  readonly loss: number;
  /** Longest time a message may take, in milliseconds; mostly it takes one. */
  readonly latencyMs: number;
  /** Share of wake-ups that are delivered again although their owner is alive. */
  readonly duplicates: number;
  /** Share of control hints that get lost. */
  readonly lostHints: number;
  readonly crashes: number;
  readonly freezes: number;
  readonly stops: number;
  readonly outages: number;
  readonly wrongHints: number;
  /** Everything stops at once, and with `damage` an event of a run that goes on is not what it was. */
  readonly powerCut: boolean;
  readonly damage: boolean;
  /** Share of acts whose driver does not look at its signal until its next act. */
  readonly sluggish: number;
  /** Share of attempts that fail, and of those that hang until they are aborted. */
  readonly failing: number;
  readonly hanging: number;
  /** Share of looks at the world that find nothing out. */
  readonly blind: number;
}

export interface Scenario {
  readonly faults: Faults;
  readonly faultsUntilMs: number;
  readonly partitions: number;
  readonly workers: number;
  readonly maxRuns: number;
  readonly missions: readonly MissionRequest[];
}

export const LEASE_MS = 1_000;
export const STEP_TIMEOUT_MS = 3_000;

export function makeScenario(random: Random, broken: Break | undefined): Scenario {
  const faults = makeFaults(random);
  return {
    faults: broken === 'no-hash' ? { ...faults, powerCut: true, damage: true } : faults,
    faultsUntilMs: random.int(4_000, 12_000),
    partitions: random.int(1, 2),
    workers: random.int(1, 3),
    maxRuns: random.int(1, 4),
    missions: Array.from({ length: random.int(1, 4) }, () => makeMission(random, broken === 'no-intent')),
  };
}

function makeFaults(random: Random): Faults {
  const some = (most: number): number => (random.chance(0.5) ? random.next() * most : 0);
  const few = (most: number): number => (random.chance(0.6) ? random.int(1, most) : 0);
  const powerCut = random.chance(0.15);
  return {
    loss: some(0.15),
    latencyMs: random.pick([5, 50, 400]),
    duplicates: some(0.3),
    lostHints: some(1),
    crashes: few(4),
    freezes: few(4),
    stops: random.int(0, 1),
    outages: random.chance(0.2) ? 1 : 0,
    wrongHints: few(5),
    powerCut,
    damage: powerCut && random.chance(0.5),
    sluggish: some(0.3),
    failing: some(0.3),
    hanging: some(0.1),
    blind: random.pick([0, 0.3, 1]),
  };
}

/** A world without faults, but for slow and failing drivers: those are the world's own ways. */
export const calm = (faults: Faults): Faults => ({
  ...faults,
  latencyMs: 5,
  loss: 0,
  duplicates: 0,
  lostHints: 0,
});

const maybe = (random: Random, probability: number, more: object): object =>
  random.chance(probability) ? more : {};

/** A mission with a random graph of steps. `lying` marks steps as safe to repeat that are not. */
function makeMission(random: Random, lying: boolean): MissionRequest {
  const ids = 'abcdef'.slice(0, random.int(1, 6)).split('');
  return missionRequestSchema.parse({
    plan: {
      steps: ids.map((id, place) => makeStep(random, id, ids.slice(0, place), lying)),
      ...maybe(random, 0.3, { success: [{ jsonata: random.pick(['true', 'true', 'false']) }] }),
    },
    inputs: { items: Array.from({ length: random.int(0, 3) }, (_, item) => item) },
    limits: {
      maxParallel: random.int(1, 4),
      ...maybe(random, 0.2, { maxDurationMs: random.chance(0.2) ? 60_000 : random.int(500, 20_000) }),
    },
    ...maybe(random, 0.15, { approval: 'plan' }),
    ...maybe(random, 0.05, { dryRun: true }),
  });
}

function makeStep(random: Random, id: string, earlier: readonly string[], lying: boolean): object {
  const unsafe = random.chance(0.5);
  return {
    id,
    title: `step ${id}`,
    do: 'workspace.call',
    with: { tool: 'noop', args: { unsafe, acts: unsafe ? 1 : random.int(0, 3), slowMs: random.int(5, 800) } },
    safeToRepeat: !unsafe || lying,
    needs: earlier.filter(() => random.chance(0.4)),
    ...maybe(random, 0.15, { forEach: '{{ inputs.items }}' }),
    ...maybe(random, 0.4, {
      retry: { max: random.int(1, 2), backoffMs: random.chance(0.1) ? 60_000 : random.int(0, 1_500) },
    }),
    ...maybe(random, 0.15, { approval: true }),
    ...maybe(random, 0.3, {
      expect: [{ jsonata: random.pick(['output.ok', 'output.attempt > 1', 'true']) }],
    }),
    ...maybe(random, 0.3, { onFailure: 'continue' }),
    ...maybe(random, 0.3, { timeoutMs: random.int(50, 2_000) }),
  };
}
