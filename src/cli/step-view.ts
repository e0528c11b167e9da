import pc from 'picocolors';
import { eventTypeOf, type Envelope } from '#events/envelope.js';
import type { Plan } from '#events/plan.js';
import type { RunDetails } from './commands/run.command.js';
import { clock, coloured, cut, progress } from './output.js';

/** Shows a run as it goes: a live list of steps on a terminal, a line an event elsewhere. */
export interface StepView {
  event(event: Envelope): void;
  end(details?: RunDetails): RunDetails | undefined;
}

const MARKS: Readonly<Record<string, string>> = {
  waiting: pc.dim('○'),
  running: pc.cyan('◐'),
  expanded: pc.cyan('◐'),
  verifying: pc.cyan('◑'),
  backoff: pc.yellow('↻'),
  awaitingApproval: pc.yellow('?'),
  succeeded: pc.green('●'),
  failed: pc.red('✕'),
};

export function createStepView(quiet: boolean): StepView {
  if (quiet) return { event: () => undefined, end: (details) => details };
  return process.stderr.isTTY
    ? createLiveView()
    : { event: (event) => progress(lineOf(event)), end: (details) => details };
}

/** One line of plain progress: when, what, which step. */
export function lineOf(event: Envelope): string {
  const { stepId, next, failure } = event.data as {
    stepId?: string;
    next?: string[];
    failure?: { message: string };
  };
  const parts = [
    clock(event.time),
    eventTypeOf(event),
    stepId,
    failure?.message,
    next?.length ? `→ ${next.join(', ')}` : '',
  ];
  return parts.filter(Boolean).join('  ');
}

function createLiveView(): StepView {
  const steps = new Map<string, { title: string; state: string }>();
  let drawn = 0;
  let status = 'queued';

  const draw = () => {
    const width = process.stderr.columns || 80;
    const most = Math.max((process.stderr.rows || 24) - 3, 5);
    const all = [...steps].map(
      ([id, step]) => `  ${MARKS[step.state] ?? ' '} ${cut(`${id}  ${step.title}`, width - 6)}`,
    );
    const hidden = all.length > most ? [`    … ${all.length - most} more`] : [];
    const lines = [coloured(status), ...all.slice(0, most), ...hidden];
    process.stderr.write(
      `${drawn > 0 ? `\x1b[${drawn}A` : ''}${lines.map((line) => `\x1b[2K${line}`).join('\n')}\n`,
    );
    drawn = lines.length;
  };

  return {
    event: (event) => {
      status = event.stateto;
      applyToSteps(steps, event);
      draw();
    },
    end: (details) => {
      for (const { id, state } of details?.steps ?? []) {
        const step = steps.get(id);
        if (step) step.state = state;
      }
      if (details) status = details.status;
      if (drawn > 0) draw();
      return details;
    },
  };
}

const STATES: Readonly<Record<string, string>> = {
  'step.performed': 'verifying',
  'step.succeeded': 'succeeded',
  'step.failed': 'failed',
  'step.retried': 'backoff',
  'step.approval-requested': 'awaitingApproval',
  'step.rejected': 'failed',
};

interface StepData {
  readonly stepId?: string;
  readonly next?: string[];
  readonly count?: number;
  readonly plan?: Plan;
  readonly mission?: { readonly plan?: Plan };
}

const stepsPlanned = ({ plan, mission }: StepData) => (plan ?? mission?.plan)?.steps ?? [];

function applyToSteps(steps: Map<string, { title: string; state: string }>, event: Envelope): void {
  const type = eventTypeOf(event);
  const data = event.data as StepData;
  for (const step of stepsPlanned(data)) steps.set(step.id, { title: step.title, state: 'waiting' });
  const own = data.stepId === undefined ? undefined : steps.get(data.stepId);
  if (own) own.state = STATES[type] ?? own.state;
  if (own && data.count !== undefined) {
    own.state = 'expanded';
    for (let item = 0; item < data.count; item++)
      steps.set(`${data.stepId}.${item}`, { title: own.title, state: 'waiting' });
  }
  dispatched(steps, data.next ?? []);
}

function dispatched(steps: Map<string, { title: string; state: string }>, ids: readonly string[]): void {
  for (const id of ids) {
    const step = steps.get(id);
    if (step) step.state = 'running';
  }
}
