import type { ChaosReport } from './chaos.js';
import type { Finding } from './evidence.js';

const MOST_SHOWN = 5;

/** What a person reads at the end. */
export function inWords(report: ChaosReport): string {
  const { findings, faults, statuses, pauseMs, startMs, tooLittle } = report;
  return [
    '',
    `seed ${report.seed}${report.broken ? `, switched off: ${report.broken.slice(3)}` : ''}`,
    '',
    table(findings),
    '',
    `${report.runs} runs ended, ${report.commands} commands taken, ${report.acts} acts seen (${report.flaggedRepeats} of them again)`,
    `${report.kills} kills; ${inOrder(faults)}`,
    `answers: ${inOrder(statuses)}`,
    `pause: request to quiet p50 ${pauseMs.p50} ms, p99 ${pauseMs.p99} ms (${pauseMs.count} pauses, faults included)`,
    `a process was up again after p50 ${startMs.p50} ms, p99 ${startMs.p99} ms; the last run ended ${report.settleMs} ms after the last fault`,
    ...findings.flatMap(violationsOf),
    ...report.stories,
    ...tooLittle.map((why) => `too little to show anything: ${why}`),
    report.passed ? 'nothing was violated' : 'FAILED',
    '',
  ].join('\n');
}

function table(findings: readonly Finding[]): string {
  const lines = findings.map(({ invariant, checked, violations, claim }) =>
    [
      invariant.padEnd(4),
      String(checked).padStart(9),
      String(violations.length).padStart(11),
      ` ${claim}`,
    ].join(''),
  );
  return ['       checked  violations  what must hold', ...lines].join('\n');
}

const violationsOf = ({ invariant, violations }: Finding): string[] => [
  ...violations.slice(0, MOST_SHOWN).map((violation) => `${invariant}: ${violation}`),
  ...(violations.length > MOST_SHOWN ? [`${invariant}: and ${violations.length - MOST_SHOWN} more`] : []),
];

const inOrder = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .sort(([, one], [, other]) => other - one)
    .map(([what, count]) => `${count} × ${what}`)
    .join(', ');
