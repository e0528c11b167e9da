import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from './client.js';
import { startCluster, type Cluster } from './cluster.js';
import { step } from './missions.js';
import { openLogOf, told } from './record.js';
import type { JetStreamLog } from '../../src/log/jetstream.log.js';
import { startWitness } from './witness.js';

export interface RecoveryReport {
  readonly runs: number;
  /** Runs that had not ended when the worker was killed. */
  readonly open: number;
  readonly finished: number;
  /** From the moment the new worker was up to the last end. */
  readonly recoveryMs: number;
  readonly unflaggedRepeats: number;
  readonly passed: boolean;
  readonly text: string;
}

const LEASE_MS = 1_200;
const PARTITIONS = 4;
const TARGET_MS = 30_000;
/** Long enough that all runs are open at once. */
const STEP_MS = 10_000;
const LANES = 16;

/** One worker owns hundreds of runs and is killed: how long until its successor has finished them all. */
export async function runRecovery(
  { runs }: { runs: number },
  cancelled: AbortSignal,
): Promise<RecoveryReport> {
  const env = {
    NODE_ENV: 'test',
    SKYAGENT_LEASE_MS: String(LEASE_MS),
    SKYAGENT_PARTITIONS: String(PARTITIONS),
    SKYAGENT_MAX_RUNS: '1000',
  };
  const cluster = await startCluster({ workers: 1, env });
  const witness = await startWitness(0);
  let opened: JetStreamLog | undefined;
  try {
    const log = await openLogOf(cluster, { leaseMs: LEASE_MS, partitions: PARTITIONS });
    opened = log;
    const ids = await handIn(cluster, runs, witness.url);
    await until(async () => (await count(log, ids, /^step\.started$/)) === runs, TARGET_MS, cancelled);
    const [worker] = cluster.members('worker');
    await cluster.end(worker!, 'SIGKILL');
    const open = runs - (await count(log, ids, /^run\.succeeded$/));
    await cluster.start(worker!);
    const upAt = Date.now();
    await until(async () => (await count(log, ids, /^run\.succeeded$/)) === runs, TARGET_MS * 2, cancelled);
    const recoveryMs = Date.now() - upAt;
    const finished = await count(log, ids, /^run\.succeeded$/);
    const unflaggedRepeats = await repeats(log, ids, witness.seen);
    const passed = finished === runs && open === runs && recoveryMs <= TARGET_MS && unflaggedRepeats === 0;
    const text = `${open} runs open when their worker was killed; ${finished} finished ${recoveryMs} ms after its successor was up; ${unflaggedRepeats} unflagged repeats: ${passed ? 'as it must be' : 'FAILED'}`;
    return { runs, open, finished, recoveryMs, unflaggedRepeats, passed, text };
  } finally {
    await opened?.close();
    await cluster.stop();
    await witness.close();
  }
}

async function handIn(cluster: Cluster, runs: number, url: string): Promise<string[]> {
  const client = createClient(cluster.url);
  const ids: string[] = [];
  let next = 0;
  const lane = async () => {
    while (next++ < runs) {
      const steps = [
        step('act', 'test.effect', { url, delayMs: STEP_MS }),
        step('after', 'noop', {}, { needs: ['act'] }),
      ];
      const { body } = await client.ask('/missions', { method: 'POST', body: { plan: { steps } } });
      ids.push(body.runId as string);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return ids;
}

async function count(log: JetStreamLog, ids: readonly string[], type: RegExp): Promise<number> {
  let found = 0;
  for (const id of ids) if ((await log.read(id)).some((stored) => type.test(told(stored).type))) found++;
  return found;
}

async function repeats(
  log: JetStreamLog,
  ids: readonly string[],
  seen: readonly { readonly key: string }[],
): Promise<number> {
  let unflagged = 0;
  for (const id of ids) {
    const acts = seen.filter(({ key }) => key === `${id}/act`).length;
    const doubted = (await log.read(id)).some((stored) => told(stored).type === 'step.in-doubt');
    if (acts !== 1 && !doubted) unflagged++;
  }
  return unflagged;
}

async function until(probe: () => Promise<boolean>, withinMs: number, cancelled: AbortSignal): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (Date.now() < deadline && !(await probe())) {
    cancelled.throwIfAborted();
    await sleep(200);
  }
}
