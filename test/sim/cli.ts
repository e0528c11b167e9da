import { parseArgs } from 'node:util';
import { stopCheckingHashes } from '../../src/log/hash-chain.js';
import { BREAKS, type Break } from './scenario.js';
import { howToRepeat, simulate, type Outcome } from './simulation.js';

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const TAIL = 60;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    break: { type: 'string' },
    tail: { type: 'string', default: String(TAIL) },
  },
});
const broken = BREAKS.find((name) => name === values.break);
if (values.break !== undefined && !broken) throw new RangeError(`--break takes one of ${BREAKS.join(', ')}`);
if (broken === 'no-hash') stopCheckingHashes();

const first = Number(values.seed ?? values.from);
const last = values.seed === undefined ? first + Number(values.seeds) - 1 : first;
const totals: Record<string, number> = {};
const startedAt = performance.now();
let failed: Outcome | undefined;
for (let seed = first; seed <= last && !failed; seed++) {
  const outcome = await simulate(seed, broken);
  for (const [what, count] of Object.entries(outcome.counts)) totals[what] = (totals[what] ?? 0) + count;
  if (outcome.violations.length > 0) failed = outcome;
}
const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
if (failed) report(failed, broken);
print(
  `${(failed?.seed ?? last) - first + 1} seeds in ${seconds} s: ${Object.entries(totals)
    .map(([what, count]) => `${count} ${what}`)
    .join(', ')}`,
);
process.exitCode = failed ? 1 : 0;

function report({ seed, story, violations }: Outcome, broken: Break | undefined): void {
  for (const line of story.slice(-Number(values.tail))) print(line);
  for (const { invariant, runId, detail } of violations)
    print(`VIOLATED ${invariant}: ${runId.slice(4, 8)} ${detail}`);
  print(`seed ${seed} failed; again: ${howToRepeat(seed, broken)}`);
}
