import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, type Client } from './client.js';
import { quantiles } from './chaos.js';
import { startCluster } from './cluster.js';
import { step } from './missions.js';
import { openLogOf, told } from './record.js';
import type { JetStreamLog } from '../../src/log/jetstream.log.js';
import { startWitness } from './witness.js';

export interface PausesReport {
  readonly runs: number;
  /** From the request to `run.paused`, in milliseconds. */
  readonly pauseMs: { readonly count: number; readonly p50: number; readonly p99: number };
  readonly passed: boolean;
  readonly text: string;
}

const TARGET_MS = 250;
const ROUNDS = 4;
const SETTINGS = { leaseMs: 5_000, partitions: 8 };

/** Many runs at work, each in an act that may be cut off: how long until one that is paused is quiet. */
export async function runPauses({ runs }: { runs: number }): Promise<PausesReport> {
  const cluster = await startCluster({ workers: 1, env: { NODE_ENV: 'test' } });
  const witness = await startWitness(0);
  let log: JetStreamLog | undefined;
  try {
    log = await openLogOf(cluster, SETTINGS);
    const client = createClient(cluster.url);
    const ids = await Promise.all(Array.from({ length: runs }, () => handIn(client, witness.url)));
    const latencies: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await sleep(1_000);
      for (const runId of ids) latencies.push(await pause(client, log, runId));
      for (const runId of ids) await client.ask(`/runs/${runId}/resume`, { method: 'POST', body: {} });
    }
    const pauseMs = quantiles(latencies);
    const passed = pauseMs.p99 <= TARGET_MS;
    const text = `${runs} active runs, ${pauseMs.count} pauses: request to run.paused p50 ${pauseMs.p50} ms, p99 ${pauseMs.p99} ms`;
    return { runs, pauseMs, passed, text };
  } finally {
    await log?.close();
    await cluster.stop();
    await witness.close();
  }
}

async function handIn(client: Client, url: string): Promise<string> {
  const act = step('act', 'test.effect', { url, delayMs: 60_000 }, { safeToRepeat: true });
  const { body } = await client.ask('/missions', { method: 'POST', body: { plan: { steps: [act] } } });
  return body.runId as string;
}

async function pause(client: Client, log: JetStreamLog, runId: string): Promise<number> {
  const askedAt = Date.now();
  await client.ask(`/runs/${runId}/pause`, { method: 'POST', body: {} });
  for (;;) {
    const last = told((await log.read(runId)).at(-1)!);
    if (last.type === 'run.paused') return last.at - askedAt;
    await sleep(10);
  }
}
