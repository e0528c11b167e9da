import { setTimeout as sleep } from 'node:timers/promises';
import type { Break } from '../../src/config.js';
import type { JetStreamLog } from '../../src/log/jetstream.log.js';
import { actChecks } from './act.checks.js';
import { createClient, type Client } from './client.js';
import { startCluster, type Cluster } from './cluster.js';
import type { Evidence, Finding } from './evidence.js';
import { createInjector, isKill, type Fault } from './faults.js';
import { drive, emptyNotes, type Notes } from './load.js';
import { logChecks } from './log.checks.js';
import { createRandom } from './random.js';
import { rowsOverHttp, snapshotOf, type Snapshot } from './read-models.js';
import { openLogOf, readAll, told, type Told } from './record.js';
import { rowChecks } from './row.checks.js';
import { redeliverAll } from './redelivery.js';
import { tamper, writeNewer } from './tamper.js';
import { startWitness, type Witness } from './witness.js';

export interface ChaosOptions {
  readonly seed: number;
  /** How long faults are made. */
  readonly forMs: number;
  /** Most runs to hand in. */
  readonly runs: number;
  readonly broken?: Break | undefined;
  readonly workers: number;
  readonly lanes: number;
  readonly leaseMs: number;
  readonly faultEveryMs: number;
  /** How long the world keeps an actor waiting after it has acted: the longer, the more die without knowing. */
  readonly holdMs?: number;
  /** Below these the suite has shown nothing. */
  readonly floor: { readonly runs: number; readonly kills: number };
  /** How long everything may take to come to its end after the last fault. */
  readonly settleMs: number;
  /** Faults that are not made. */
  readonly spare?: ReadonlySet<Fault>;
  /** Invariants that a short run may have nothing to say about. */
  readonly mayMiss?: ReadonlySet<string>;
}

export interface ChaosReport {
  readonly seed: number;
  readonly broken: Break | undefined;
  readonly findings: readonly Finding[];
  readonly runs: number;
  readonly commands: number;
  readonly acts: number;
  readonly flaggedRepeats: number;
  readonly kills: number;
  readonly faults: Readonly<Partial<Record<Fault, number>>>;
  readonly statuses: Readonly<Record<string, number>>;
  readonly pauseMs: { readonly count: number; readonly p50: number; readonly p99: number };
  /** From the last fault to the last end of a run. */
  readonly settleMs: number;
  readonly startMs: { readonly p50: number; readonly p99: number };
  /** What the log tells of runs that violate something. */
  readonly stories: readonly string[];
  /** Why this was too little to show anything. */
  readonly tooLittle: readonly string[];
  readonly passed: boolean;
}

const HOLD_MS = 30;
const PARTITIONS = 4;
const TAMPER_EVERY_MS = 10_000;

/** The runs that were written into from outside. */
interface Strangers {
  readonly tampered: Set<string>;
  readonly newer: Set<string>;
}

interface Scene {
  readonly options: ChaosOptions;
  readonly cluster: Cluster;
  readonly witness: Witness;
  readonly client: Client;
  readonly log: JetStreamLog;
  /** From then on nothing new is done to it. */
  readonly enough: AbortController;
  /** From then on nothing is waited for. */
  readonly giveUp: AbortController;
}

/** Starts a deployment, hurts it while it works, lets it settle, and checks what must always hold. */
export async function runChaos(options: ChaosOptions, cancelled: AbortSignal): Promise<ChaosReport> {
  const [enough, giveUp] = [new AbortController(), new AbortController()];
  const cluster = await startCluster({ workers: options.workers, env: environmentOf(options) });
  const witness = await startWitness(options.holdMs ?? HOLD_MS);
  let log: JetStreamLog | undefined;
  try {
    log = await openLogOf(cluster, { leaseMs: options.leaseMs, partitions: PARTITIONS });
    const client = createClient(cluster.url);
    const scene = { options, cluster, witness, log, client, enough, giveUp };
    return await untilCancelled(perform(scene), cancelled);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${cluster.describe()}`, { cause: error });
  } finally {
    enough.abort();
    giveUp.abort();
    await log?.close();
    await cluster.stop();
    await witness.close();
  }
}

const environmentOf = ({ leaseMs, broken }: ChaosOptions): Record<string, string> => ({
  NODE_ENV: 'test',
  SKYAGENT_LEASE_MS: String(leaseMs),
  SKYAGENT_PARTITIONS: String(PARTITIONS),
  ...(broken && { SKYAGENT_BREAK: broken }),
});

function untilCancelled<T>(work: Promise<T>, cancelled: AbortSignal): Promise<T> {
  const stopped = new Promise<never>((_, reject) => {
    const stop = () => reject(new Error('stopped before the end'));
    if (cancelled.aborted) stop();
    else cancelled.addEventListener('abort', stop, { once: true });
  });
  return Promise.race([work, stopped]);
}

async function perform(scene: Scene): Promise<ChaosReport> {
  const { options, cluster, client, witness, enough, giveUp } = scene;
  const random = createRandom(options.seed);
  const notes = emptyNotes();
  const snapshots: Snapshot[] = [];
  const strangers: Strangers = { tampered: new Set(), newer: new Set() };
  const injector = createInjector({
    cluster,
    random: createRandom(options.seed + 1),
    leaseMs: options.leaseMs,
    everyMs: options.faultEveryMs,
    spare: options.spare,
    onGatewayDead: () => snapshots.push(snapshotOf(cluster.database)),
  });
  const { lanes, runs } = options;
  const name = `chaos-${options.seed}`;
  const load = drive(
    {
      client,
      random,
      witnessUrl: witness.url,
      name,
      lanes,
      runs,
      enough: enough.signal,
      giveUp: giveUp.signal,
    },
    notes,
  );
  const forging = writeNowAndThen(scene, notes, strangers);
  const hurting = injector.run(enough.signal);
  // What goes wrong after the end, because everything is taken away, is nobody's concern.
  for (const work of [load, forging, hurting]) work.catch(() => undefined);
  await Promise.race([sleep(options.forMs, undefined, { ref: false }), failureOf(load), failureOf(forging)]);
  enough.abort();
  const calmAt = Date.now();
  await cluster.heal();
  await hurting;
  await cluster.heal();
  const all = Promise.all([load, forging, untilQuarantined(scene, forging, strangers.tampered)]);
  const settled = await Promise.race([all.then(() => true), sleep(options.settleMs, false, { ref: false })]);
  giveUp.abort();
  const settleMs = Date.now() - calmAt;
  await all.catch(() => undefined);
  const evidence = await gather(scene, strangers, { notes, snapshots, settled });
  return judge(scene, evidence, injector.counts, settleMs);
}

/** Rejects when the work does, and never resolves. */
const failureOf = (work: Promise<unknown>): Promise<never> =>
  new Promise((_, reject) => {
    work.catch(reject);
  });

async function writeNowAndThen(
  { client, log, witness, options, enough: { signal: enough } }: Scene,
  { accepted }: Notes,
  { tampered, newer }: Strangers,
): Promise<void> {
  for (let count = 1; !enough.aborted; count++) {
    const [write, into] = count % 2 === 1 ? [tamper, tampered] : [writeNewer, newer];
    const name = `stranger-${options.seed}-${count}`;
    const { runId, mission, forged } = await write(client, log, name, witness.url);
    accepted.push({ runId, mission });
    if (forged) into.add(runId);
    await sleep(TAMPER_EVERY_MS, undefined, { signal: enough }).catch(() => undefined);
  }
}

/** A forged run ends by being put in quarantine, which the client of the load does not wait for. */
async function untilQuarantined(
  { log, giveUp }: Scene,
  forging: Promise<void>,
  tampered: ReadonlySet<string>,
): Promise<void> {
  await forging;
  for (const runId of tampered) {
    while (!giveUp.signal.aborted) {
      const events = await log.read(runId);
      if (/quarantined|succeeded|failed|cancelled/.test(told(events.at(-1)!).type)) break;
      await sleep(100);
    }
  }
}

async function gather(
  { cluster, client, witness, log }: Scene,
  { tampered, newer }: Strangers,
  known: Pick<Evidence, 'notes' | 'snapshots' | 'settled'>,
): Promise<Evidence> {
  const answers = new Map<string, { status: number; code: unknown }>();
  for (const runId of newer) {
    const { status, body } = await client.ask(`/runs/${runId}/resume`, { method: 'POST', body: {} });
    answers.set(runId, { status, code: body.code });
  }
  const again = await redeliverAll(cluster, log, newer.size);
  const histories = await readAll(log);
  const rows = await rowsOverHttp(client);
  const [gateway] = cluster.members('gateway');
  await cluster.end(gateway!, 'SIGTERM');
  const { code, stderr } = await cluster.run('projections', 'rebuild');
  if (code !== 0) throw new Error(`the read models could not be rebuilt: ${stderr}`);
  await cluster.start(gateway!);
  return {
    ...known,
    ...again,
    tampered,
    newer: answers,
    said: cluster.said(),
    histories,
    told: new Map([...histories].map(([runId, events]) => [runId, events.map(told)])),
    seen: witness.seen,
    rows,
    rebuilt: await rowsOverHttp(client),
    crashes: cluster.crashes,
    faults: client.faults,
  };
}

function judge(
  { options, client, cluster }: Scene,
  evidence: Evidence,
  faults: Readonly<Partial<Record<Fault, number>>>,
  settleMs: number,
): ChaosReport {
  const findings = [...logChecks, ...rowChecks, ...actChecks]
    .map((check) => check(evidence))
    .sort((one, other) => Number(one.invariant.slice(1)) - Number(other.invariant.slice(1)));
  const runs = [...evidence.notes.ends.values()].filter((end) => end !== undefined).length;
  const kills = (Object.entries(faults) as [Fault, number][])
    .filter(([fault]) => isKill(fault))
    .reduce((sum, [, count]) => sum + count, 0);
  const tooLittle = [
    ...(runs < options.floor.runs ? [`${runs} runs ended, and ${options.floor.runs} are the least`] : []),
    ...(kills < options.floor.kills ? [`${kills} kills, and ${options.floor.kills} are the least`] : []),
    ...findings
      .filter(({ checked, invariant }) => checked === 0 && !options.mayMiss?.has(invariant))
      .map(({ invariant }) => `${invariant}: nothing to check`),
  ];
  return {
    seed: options.seed,
    broken: options.broken,
    findings,
    runs,
    kills,
    faults,
    settleMs,
    tooLittle,
    stories: storiesOf(findings, evidence),
    commands: evidence.notes.commands,
    acts: evidence.seen.length,
    flaggedRepeats: evidence.seen.length - new Set(evidence.seen.map(({ key }) => key)).size,
    statuses: Object.fromEntries(client.statuses),
    pauseMs: quantiles(pauseLatencies(evidence.notes, evidence.told)),
    startMs: quantiles(cluster.startsMs),
    passed: tooLittle.length === 0 && findings.every(({ violations }) => violations.length === 0),
  };
}

const MOST_STORIES = 5;

/** The histories of the first runs that are named by a violation, and of the one that ended last, in words. */
function storiesOf(findings: readonly Finding[], { told: histories, seen }: Evidence): string[] {
  const violations = findings.flatMap((finding) => finding.violations).join('\n');
  const lastAt = (runId: string) => histories.get(runId)!.at(-1)!.at;
  const [slowest] = [...histories.keys()].sort((one, other) => lastAt(other) - lastAt(one));
  const guilty = [...histories.keys()].filter((runId) => violations.includes(runId)).slice(0, MOST_STORIES);
  const named = guilty.length > 0 && slowest ? [...guilty, slowest] : guilty;
  return named.map((runId) => {
    const events = histories.get(runId)!.map(({ type, seq, at, body }) => ({
      at,
      line: `${body.rev} (${seq}) ${type} ${body.actor} ${JSON.stringify(body.data).slice(0, 200)}`,
    }));
    const acts = seen
      .filter(({ key }) => key.startsWith(`${runId}/`))
      .map(({ key, pid, sentAt, receivedAt }) => ({
        at: sentAt,
        line: `act ${key} by ${pid}, seen ${receivedAt}`,
      }));
    const all = [...events, ...acts].sort((one, other) => one.at - other.at);
    return [runId, ...all.map(({ at, line }) => `  ${at} ${line}`)].join('\n');
  });
}

/** From the request to the moment the run was quiet. */
function pauseLatencies({ pauses }: Notes, histories: ReadonlyMap<string, readonly Told[]>): number[] {
  return pauses.flatMap(({ runId, askedAt }) => {
    const paused = histories.get(runId)?.find(({ type, at }) => type === 'run.paused' && at >= askedAt);
    return paused ? [paused.at - askedAt] : [];
  });
}

export function quantiles(numbers: readonly number[]): { count: number; p50: number; p99: number } {
  const sorted = numbers.toSorted((one, other) => one - other);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99) };
}
