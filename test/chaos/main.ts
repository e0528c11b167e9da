import { parseArgs } from 'node:util';
import type { Break } from '../../src/config.js';
import { runChaos, type ChaosOptions } from './chaos.js';
import { runPauses } from './pauses.js';
import { runRecovery } from './recovery.js';
import { inWords } from './report.js';

/**
 * `npm run chaos -- --minutes 5`: hurts a deployment of real processes while it works, then checks what must always
 * hold. `--scenario recovery` kills a worker with 500 runs, `--scenario pauses` measures pauses. With `--break` one protection is switched off, and the checks must notice: it fails then, too.
 */
const BREAKS: readonly Break[] = ['no-fencing', 'no-intent', 'no-conflict-check', 'no-hash'];
const MINUTE_MS = 60_000;
/** What a machine with two cores does in a minute, and less than which shows nothing. */
const RUNS_A_MINUTE = 100;
const KILLS_A_MINUTE = 60;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    runs: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    break: { type: 'string' },
    scenario: { type: 'string', default: 'faults' },
    json: { type: 'boolean', default: false },
  },
});

const cancelled = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => cancelled.abort());

const scenarios = { faults, recovery, pauses };
const scenario = scenarios[values.scenario as keyof typeof scenarios];
if (!scenario)
  throw new RangeError(`--scenario ${values.scenario}: expected one of ${Object.keys(scenarios).join(', ')}`);
const { report, text } = await scenario();
process.stdout.write(values.json ? `${JSON.stringify(report, undefined, 2)}\n` : text);
process.exitCode = report.passed ? 0 : 1;

async function faults() {
  const report = await runChaos(options(), cancelled.signal);
  return { report, text: inWords(report) };
}

async function recovery() {
  const report = await runRecovery({ runs: number(values.runs ?? '500') }, cancelled.signal);
  return { report, text: `${report.text}\n` };
}

async function pauses() {
  const report = await runPauses({ runs: number(values.runs ?? '50') });
  return { report, text: `${report.text}\n` };
}

function options(): ChaosOptions {
  const minutes = number(values.minutes);
  const runs = values.runs === undefined ? Infinity : number(values.runs);
  return {
    seed: number(values.seed),
    forMs: minutes * MINUTE_MS,
    runs,
    broken: breakOf(values.break),
    workers: 4,
    lanes: 64,
    leaseMs: 1_200,
    faultEveryMs: 600,
    settleMs: MINUTE_MS,
    floor: {
      runs: Math.min(runs, Math.floor(minutes * RUNS_A_MINUTE)),
      kills: Math.floor(minutes * KILLS_A_MINUTE),
    },
  };
}

function breakOf(text: string | undefined): Break | undefined {
  const known = BREAKS.find((each) => each === text);
  if (text === undefined || known) return known;
  throw new RangeError(`--break ${text}: expected one of ${BREAKS.join(', ')}`);
}

function number(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new RangeError(`${JSON.stringify(text)} is not a number above 0`);
}
