import type { Envelope } from '#events/envelope.js';
import { hasEnded, isAtRest, runsOf } from './history.js';
import { createSimulatedLog, type SimulatedLog } from './simulated.log.js';
import { createFleet } from './fleet.js';
import type { Evidence } from './evidence.js';
import { INVARIANTS, type Violation } from './invariants.js';
import { createPeople } from './people.js';
import { createRandom, type Random } from './random.js';
import { calm, makeScenario, type Break, type Scenario } from './scenario.js';
import { createProcess, createVirtualTime, type SimProcess, type VirtualTime } from './virtual-time.js';
import { createWitness } from './witness.js';

/** What one seed came to. */
export interface Outcome {
  readonly seed: number;
  readonly violations: readonly Violation[];
  /** What happened, in order, one line each. */
  readonly story: readonly string[];
  /** How often each fault hit, and how much was done. */
  readonly counts: Readonly<Record<string, number>>;
}

export const howToRepeat = (seed: number, broken?: Break): string =>
  `npm run sim -- --seed ${seed}${broken ? ` --break ${broken}` : ''}`;

/** Everything the parts of one simulation share. */
export interface SimWorld {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly scenario: Scenario;
  readonly broken: Break | undefined;
  readonly faults: () => Scenario['faults'];
  readonly note: (process: SimProcess | undefined, what: string) => void;
  readonly count: (what: string) => void;
}

/** The longest wait a mission here can ask for, and a minute. */
const QUIET_MS = 200_000;
const SETTLE_MS = 5_000;

/** Runs one seed from the first mission to the last check. */
export async function simulate(seed: number, broken?: Break): Promise<Outcome> {
  const time = createVirtualTime();
  const random = createRandom(seed);
  const scenario = makeScenario(random, broken);
  let faults = scenario.faults;
  const story: string[] = [];
  const counts: Record<string, number> = {};
  const world: SimWorld = {
    time,
    random,
    scenario,
    broken,
    faults: () => faults,
    note: (process, what) =>
      story.push(`${time.now().toFixed(1).padStart(9)} ${(process?.name ?? '·').padEnd(4)} ${what}`),
    count: (what) => {
      counts[what] = (counts[what] ?? 0) + 1;
    },
  };
  const uninstall = time.install();
  try {
    const evidence = await play(world, seed, () => {
      faults = calm(faults);
    });
    const violations = INVARIANTS.flatMap(({ name, check }) =>
      check(evidence).map((found) => ({ invariant: name, ...found })),
    );
    return { seed, violations, story, counts: { ...counts, ...amounts(evidence) } };
  } finally {
    uninstall();
  }
}

async function play(world: SimWorld, seed: number, calmDown: () => void): Promise<Evidence> {
  const { time, random, scenario } = world;
  const log = createSimulatedLog({
    ...world,
    partitions: scenario.partitions,
    checkConflicts: world.broken !== 'no-conflict-check',
  });
  const witness = createWitness(time);
  const crashes: unknown[] = [];
  const damaged = new Map<string, number>();
  const clients = { gateway: createProcess('gate') };
  const fleet = createFleet(world, log, witness);
  const people = createPeople({
    ...world,
    log: forCurrent(log, () => clients.gateway),
    seed,
    acts: witness.acts,
    gateway: () => clients.gateway,
    fault: (error) => crashes.push(error),
  });
  if (scenario.faults.powerCut) {
    time.after(random.next() * scenario.faultsUntilMs, undefined, () => {
      world.count('power cuts');
      clients.gateway.alive = false;
      clients.gateway = createProcess('gate');
      fleet.powerCut();
      log.network.powerCut();
      if (scenario.faults.damage) damage(world, log, damaged);
    });
  }
  fleet.begin();
  await time.runUntil(scenario.faultsUntilMs);
  calmDown();
  fleet.calmDown();
  people.lastWords();
  world.note(undefined, 'the faults stop');
  await time.runUntil(time.now() + QUIET_MS, atRestSince(log, time));
  const restedAt = log.events.length;
  world.note(undefined, 'every wake-up comes again');
  log.repeatWakeUps();
  log.repeatWakeUps();
  await time.runUntil(time.now() + SETTLE_MS);
  const { workerIds } = fleet;
  return {
    log,
    workerIds,
    witness,
    people,
    missions: scenario.missions,
    faults: scenario.faults,
    crashes,
    damaged,
    restedAt,
  };
}

/** A log for people, whose gateway may be another process at every call. */
const forCurrent = (log: SimulatedLog, process: () => SimProcess): ReturnType<SimulatedLog['connect']> => ({
  ...log.connect(process()),
  append: (envelope, afterSeq) => log.connect(process()).append(envelope, afterSeq),
  read: (runId, afterSeq) => log.connect(process()).read(runId, afterSeq),
});

/** True once every run has been at rest for a while. Looked at seldom, because it is asked after every job. */
function atRestSince(log: SimulatedLog, time: VirtualTime): () => boolean {
  let nextLook = time.now();
  let busyAt = time.now();
  return () => {
    if (time.now() < nextLook) return false;
    nextLook = time.now() + 1_000;
    if (!runsOf(log).every((runId) => isAtRest(log.ofRun(runId)))) busyAt = time.now();
    return time.now() - busyAt >= SETTLE_MS;
  };
}

/** Changes one event of a run that is not over, so that it says something else than it did. */
function damage({ random, note, count }: SimWorld, log: SimulatedLog, damaged: Map<string, number>): void {
  const all = runsOf(log).map((runId) => log.ofRun(runId));
  const runs = all.filter((events) => events.length > 2 && !hasEnded(events));
  if (runs.length === 0) return;
  const events = random.pick(runs);
  const hurt = random.pick(events.slice(1));
  hurt.text = JSON.stringify({ ...(JSON.parse(hurt.text) as Envelope), actor: 'operator:nobody' });
  damaged.set(hurt.runId, events.length);
  count('damaged events');
  note(undefined, `damaged ${hurt.runId.slice(4, 8)}#${events.indexOf(hurt) + 1}`);
}

const amounts = ({ log, witness, people }: Evidence): Record<string, number> => ({
  runs: new Set(log.events.map(({ runId }) => runId)).size,
  events: log.events.length,
  takeovers: log.events.filter(({ type }) => type === 'control.taken').length,
  acts: witness.deeds.filter(({ what }) => what === 'acted').length,
  'commands taken': people.commands.taken,
  'commands refused': people.commands.refused,
  'commands unanswered': people.commands.unanswered,
});
