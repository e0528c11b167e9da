import type { MissionRequest } from '#events/mission.js';
import type { PersonCommand } from '#events/run.commands.js';
import { isRefusal } from '#machines/run/run.decide.js';
import { ConflictError, LogUnavailableError, type EventLog } from '../../src/log/event-log.js';
import { BrokenChainError } from '../../src/log/hash-chain.js';
import { idempotencyKeyOf } from '../../src/effects/effect.js';
import { handleCommand } from '../../src/runs/handle-command.js';
import { RunQuarantinedError } from '../../src/runs/run-state.js';
import { IdempotencyMismatchError, submitMission } from '../../src/runs/submit-mission.js';
import type { Random } from './random.js';
import type { Scenario } from './scenario.js';
import type { SimProcess, VirtualTime } from './virtual-time.js';

/** What one client saw of one submission. */
export interface Answer {
  readonly key: string;
  /** The body was another one than the first under this key. */
  readonly altered: boolean;
  readonly runId: string | undefined;
  readonly mismatch: boolean;
}

export interface PeopleWorld {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly log: EventLog;
  readonly scenario: Scenario;
  readonly seed: number;
  /** The process their requests go through: a gateway. */
  gateway(): SimProcess;
  /** How often the world has seen an act: whoever settles a doubt looks first. */
  readonly acts: (key: string) => number;
  note(process: SimProcess, what: string): void;
  fault(error: unknown): void;
}

export interface People {
  readonly answers: readonly Answer[];
  /** Commands that were taken, and commands that were refused. */
  readonly commands: { taken: number; refused: number; unanswered: number };
  /** A last word for those runs that wait for a person, and only some of them. */
  lastWords(): void;
}

const TAKEOVER_SHARE = 0.15;
const ALTERED = { metadata: { altered: true } };

/** People who hand in missions, some of them twice, and give commands at any moment, mostly wrong ones. */
export function createPeople(world: PeopleWorld): People {
  const { time, random, scenario } = world;
  const commands = { taken: 0, refused: 0, unanswered: 0 };
  const runs = new Map<string, MissionRequest>();
  const through = (afterMs: number, work: () => Promise<void>): void => {
    time.after(afterMs, undefined, () => {
      time.after(0, world.gateway(), () => void work().catch((error: unknown) => world.fault(error)));
    });
  };
  const answers = handInMissions(world, through, (runId, mission) => runs.set(runId, mission));

  async function tell(runId: string, command: PersonCommand): Promise<void> {
    const context = { actor: 'operator:sim', causationid: 'req_command' };
    try {
      const answer = await handleCommand(world.log, runId, truthful(world, runId, command), context);
      const refused = isRefusal(answer);
      commands[refused ? 'refused' : 'taken']++;
      if (!refused) world.note(world.gateway(), `told ${runId.slice(4, 8)} ${command.kind}`);
    } catch (error) {
      if (!PROMISED.some((kind) => error instanceof kind)) throw error;
      commands.unanswered++;
    }
  }

  /** Pauses a run and takes its controls soon after, whether or not it is quiet by then. */
  async function takeOver(runId: string): Promise<void> {
    await tell(runId, { kind: 'PauseRun', reason: 'takeover' });
    through(random.int(10, 1_500), () => takeControls(runId));
  }

  /** Takes the controls, and gives them back or lets the lease run out. */
  async function takeControls(runId: string): Promise<void> {
    const lease = `lease-${random.int(1, 1_000_000)}`;
    const ttlMs = random.int(100, 3_000);
    const expiresAt = new Date(Date.now() + ttlMs).toISOString();
    await tell(runId, { kind: 'TakeControl', lease, holder: 'operator:sim', expiresAt });
    if (random.chance(0.5)) through(random.int(0, 2 * ttlMs), () => tell(runId, { kind: 'HandBack', lease }));
    through(ttlMs + random.int(1, 1_000), () => tell(runId, { kind: 'ExpireControl', lease }));
  }

  const words = random.int(0, 8 * scenario.missions.length);
  for (let word = 0; word < words; word++) {
    through(random.next() * scenario.faultsUntilMs, () => {
      if (runs.size === 0) return Promise.resolve();
      const [runId, mission] = random.pick([...runs]);
      if (random.chance(TAKEOVER_SHARE)) return takeOver(runId);
      return tell(runId, anyCommand(random, mission));
    });
  }
  return {
    answers,
    commands,
    lastWords: () => {
      for (const [runId, mission] of runs) {
        if (random.chance(0.3)) continue;
        for (const [place, word] of goOn(mission).entries())
          through(200 + place * 300, () => tell(runId, word));
      }
    },
  };
}

/** A person who settles a doubt says what is so. */
const truthful = (
  { acts }: Pick<PeopleWorld, 'acts'>,
  runId: string,
  command: PersonCommand,
): PersonCommand =>
  command.kind === 'SettleDoubt'
    ? { ...command, outcome: acts(idempotencyKeyOf(runId, command.stepId)) > 0 ? 'confirmed' : 'refuted' }
    : command;

/** What a command may end with, besides an answer: the log is away, or the run was damaged. */
const PROMISED = [LogUnavailableError, ConflictError, BrokenChainError, RunQuarantinedError];

/** Hands in every mission once, some of them twice, and some keys with another body. */
function handInMissions(
  { time, random, scenario, seed, log }: PeopleWorld,
  through: (afterMs: number, work: () => Promise<void>) => void,
  accepted: (runId: string, mission: MissionRequest) => void,
): readonly Answer[] {
  const answers: Answer[] = [];
  const until = time.now() + scenario.faultsUntilMs;

  async function submit(key: string, mission: MissionRequest, altered: boolean): Promise<void> {
    const dryRun = mission.dryRun ?? false;
    const context = { actor: 'operator:sim', causationid: `req_${key}`, idempotencyKey: key, dryRun };
    try {
      const { runId } = await submitMission(log, altered ? { ...mission, ...ALTERED } : mission, context);
      answers.push({ key, altered, runId, mismatch: false });
      if (!altered) accepted(runId, mission);
    } catch (error) {
      if (error instanceof IdempotencyMismatchError)
        answers.push({ key, altered, runId: undefined, mismatch: true });
      else if (!(error instanceof LogUnavailableError)) throw error;
      // Whoever gets no answer asks again with the same key.
      else through(random.int(50, 1_000), () => submit(key, mission, altered));
    }
  }

  const isAnswered = (key: string): boolean =>
    answers.some((answer) => answer.key === key && !answer.altered);

  for (const [place, mission] of scenario.missions.entries()) {
    const key = `seed-${seed}-${place}`;
    const at = random.next() * until * 0.5;
    through(at, () => submit(key, mission, false));
    if (random.chance(0.3)) through(at + random.next() * 2_000, () => submit(key, mission, false));
    // Only after the first has its answer: which body comes first is not what is asked here.
    if (random.chance(0.2))
      through(at + 4_000, () => (isAnswered(key) ? submit(key, mission, true) : Promise.resolve()));
  }
  return answers;
}

const goOn = (mission: MissionRequest): PersonCommand[] => [
  { kind: 'ResumeRun' },
  { kind: 'Approve' },
  ...stepWords('Approve', mission),
  ...mission.plan!.steps.map(({ id }) => settle(id)),
];

const settle = (stepId: string): PersonCommand => ({ kind: 'SettleDoubt', stepId, outcome: 'refuted' });

const stepWords = (kind: 'Approve' | 'Reject', mission: MissionRequest): PersonCommand[] =>
  mission.plan!.steps.filter(({ approval }) => approval).map(({ id }) => ({ kind, stepId: id }));

function anyCommand(random: Random, mission: MissionRequest): PersonCommand {
  const approvals = [{ kind: 'Approve' } as const, ...stepWords('Approve', mission)];
  const rejections = [{ kind: 'Reject' } as const, ...stepWords('Reject', mission)];
  const dice = random.next();
  if (dice < 0.3) return { kind: 'PauseRun', reason: 'a look' };
  if (dice < 0.65) return { kind: 'ResumeRun', note: 'go on' };
  if (dice < 0.7) return { kind: 'CancelRun', reason: 'enough' };
  if (dice < 0.75) return { kind: 'SkipStep', stepId: random.pick(mission.plan!.steps).id };
  if (dice < 0.82) return settle(random.pick(mission.plan!.steps).id);
  if (dice < 0.85) return { kind: 'RaiseBudget', limits: { maxDurationMs: random.int(10_000, 30_000) } };
  return random.pick(dice < 0.95 ? approvals : rejections);
}
