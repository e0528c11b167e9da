import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import { environmentOf } from '../config.js';
import { compiledFile, packageRoot } from '../setup/package-root.js';

/**
 * Measures the whole of it: a server process with embedded NATS (fsync on every append), worker and projector, driven
 * over HTTP. A run is over when `GET /runs/:id` says so.
 */
interface BenchOptions {
  readonly runs: number;
  readonly steps: number;
  readonly concurrency: number;
}

export interface BenchResult extends BenchOptions {
  readonly seconds: number;
  readonly runsPerSecond: number;
  readonly eventsPerSecond: number;
  /** Accepted to finished, as the client sees it. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
  readonly rssMb: number;
  /** Processor time of the server process (user and system) for each run; steadier than runs/s on a shared machine. */
  readonly cpuMsPerRun: number;
}

/** Events of a run beside its steps: created, started, succeeded. */
const FRAME_EVENTS = 3;
const WARM_UP_RUNS = 100;

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '1500' },
    steps: { type: 'string', default: '5' },
    concurrency: { type: 'string', default: '64' },
    json: { type: 'boolean', default: false },
  },
});
const options = { runs: whole('runs'), steps: whole('steps'), concurrency: whole('concurrency') };

const home = await mkdtemp(join(tmpdir(), 'skyagent-bench-'));
const server = startServer(home);
try {
  const url = await addressOf(home, server);
  const pool = new Pool(url, { connections: options.concurrency });
  await drive(pool, { ...options, runs: Math.min(WARM_UP_RUNS, options.runs) });
  report(await measure(pool, server.pid!, options));
  await pool.close();
} finally {
  await stop(server);
  await rm(home, { recursive: true, force: true });
}

function whole(name: 'runs' | 'steps' | 'concurrency'): number {
  const number = Number(values[name]);
  if (Number.isInteger(number) && number > 0) return number;
  process.stderr.write(`--${name} ${values[name]}: expected a whole number from 1\n`);
  process.exit(2);
}

function startServer(folder: string): ChildProcess {
  const path = [join(packageRoot, '.skyagent', 'bin'), environmentOf(['PATH']).PATH].join(delimiter);
  return spawn(process.execPath, [compiledFile('src/main.js')], {
    cwd: folder,
    env: { ...environmentOf(['HOME', 'LANG', 'TMPDIR', 'NODE_OPTIONS']), PATH: path, SKYAGENT_PORT: '0' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

async function addressOf(folder: string, child: ChildProcess): Promise<string> {
  const file = join(folder, '.skyagent', 'server.json');
  while (child.exitCode === null) {
    if (existsSync(file)) return (JSON.parse(await readFile(file, 'utf8')) as { url: string }).url;
    await sleep(50);
  }
  throw new Error('the server did not start');
}

async function stop(child: ChildProcess): Promise<void> {
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await exited;
}

function missionOf(steps: number): object {
  return {
    plan: {
      steps: Array.from({ length: steps }, (_, index) => ({
        id: `s${index}`,
        title: `step ${index}`,
        do: 'workspace.call',
        with: { tool: 'noop' },
        ...(index > 0 && { needs: [`s${index - 1}`] }),
      })),
    },
  };
}

async function measure(pool: Pool, pid: number, wanted: BenchOptions): Promise<BenchResult> {
  const startedAt = performance.now();
  const cpuBefore = cpuMsOf(pid);
  const { latencies, failed } = await drive(pool, wanted);
  const seconds = (performance.now() - startedAt) / 1000;
  latencies.sort((left, right) => left - right);
  const quantile = (part: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))] ?? 0;
  return {
    ...wanted,
    seconds,
    runsPerSecond: wanted.runs / seconds,
    eventsPerSecond: (wanted.runs * (wanted.steps + FRAME_EVENTS)) / seconds,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
    failed,
    rssMb: rssOf(pid),
    cpuMsPerRun: (cpuMsOf(pid) - cpuBefore) / wanted.runs,
  };
}

async function drive(pool: Pool, { runs, steps, concurrency }: BenchOptions) {
  const body = JSON.stringify(missionOf(steps));
  const latencies: number[] = [];
  let left = runs;
  let failed = 0;
  const lane = async () => {
    while (left-- > 0) {
      const startedAt = performance.now();
      const { runId } = await call<{ runId: string }>(pool, '/missions', 'POST', body);
      const run = await call<{ status: string }>(pool, `/runs/${runId}`, 'GET');
      if (run.status !== 'succeeded') failed++;
      latencies.push(performance.now() - startedAt);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  return { latencies, failed };
}

async function call<T>(pool: Pool, path: string, method: 'GET' | 'POST', body?: string): Promise<T> {
  const headers = body === undefined ? { prefer: 'wait=60' } : { 'content-type': 'application/json' };
  const response = await pool.request({ path, method, headers, body: body ?? null });
  if (response.statusCode < 300) return response.body.json() as Promise<T>;
  throw new Error(`${method} ${path}: ${response.statusCode} ${await response.body.text()}`);
}

/** Resident memory of the server process, from Linux's /proc; 0 where there is none. */
function rssOf(pid: number): number {
  try {
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024);
  } catch {
    return 0;
  }
}

/** Processor time a process has used, from Linux's /proc (clock ticks of 10 ms); 0 where there is none. */
function cpuMsOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return 0;
  }
}

function report(result: BenchResult): void {
  if (values.json) return void process.stdout.write(`${JSON.stringify(result)}\n`);
  const {
    runs,
    steps,
    concurrency,
    seconds,
    runsPerSecond,
    eventsPerSecond,
    p50Ms,
    p99Ms,
    failed,
    rssMb,
    cpuMsPerRun,
  } = result;
  process.stdout.write(
    `${runs} runs of ${steps} steps, ${concurrency} at a time, fsync on every append: ${seconds.toFixed(2)} s\n` +
      `  ${runsPerSecond.toFixed(0)} runs/s, ${eventsPerSecond.toFixed(0)} events/s, ${failed} failed\n` +
      `  accepted → finished p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms; server ${rssMb} MB, ${cpuMsPerRun.toFixed(2)} ms of processor a run\n`,
  );
}
