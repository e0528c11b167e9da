import type { CommandName } from '#events/run.commands.js';
import { commandsIn } from '#machines/run/run.commands.js';
import type { Queries } from '../projections/queries.js';
import type { RunFacts, RunView } from '../projections/runs/runs.query.js';

type StepFacts = Awaited<ReturnType<Queries['stepsOfRun']>>[number];

/** Addresses of what belongs to a run. */
export const linksOf = (runId: string) => ({
  self: `/runs/${runId}`,
  steps: `/runs/${runId}/steps`,
  events: `/runs/${runId}/events`,
  artifacts: `/runs/${runId}/artifacts`,
  files: `/runs/${runId}/files`,
  machine: `/runs/${runId}/machine`,
  live: `/runs/${runId}/live`,
  traces: `/runs/${runId}/traces`,
});

/** A run in a list. */
export const runSummary = (run: RunFacts) => ({
  id: run.id,
  missionId: run.missionId,
  title: run.title,
  template: run.template,
  status: run.status,
  rev: run.rev,
  seq: run.seq,
  dryRun: run.dryRun,
  stepsTotal: run.stepsTotal,
  stepsFinished: run.stepsFinished,
  failure: run.failure,
  createdAt: run.createdAt,
  ...(run.startAt && { startAt: run.startAt }),
  startedAt: run.startedAt,
  finishedAt: run.finishedAt,
  ...(run.parentRunId && { parent: { runId: run.parentRunId, rev: run.parentRev } }),
});

/** `GET /runs/:id`. */
export const runDetails = ({ run, steps, control }: RunView) => ({
  ...runSummary(run),
  machine: run.machine,
  worker: run.worker,
  epoch: run.epoch,
  steps: steps.map(({ id, title, state, attempt, parent }) => ({
    id,
    title,
    state,
    attempt,
    ...(parent && { parent }),
  })),
  control: control && controlView(control),
  commands: legalFor({ run, steps, control }),
  links: linksOf(run.id),
});

/** The lease is the secret of its holder: others see who holds the controls, and until when. */
const controlView = ({
  lease,
  holder,
  expiresAt,
  exhausted,
  ...control
}: NonNullable<RunView['control']>) => ({
  ...control,
  ...(exhausted !== null && { state: 'exhausted', exhausted }),
  ...(lease !== null && { state: 'taken', holder, expiresAt }),
});

function legalFor({ run, steps, control }: RunView): CommandName[] {
  return commandsIn({
    status: run.status,
    exhausted: control !== null && control.exhausted !== null && run.status === 'paused',
    held: control !== null && control.lease !== null && Date.parse(control.expiresAt!) > Date.now(),
    steps: run.startedAt === null ? [] : steps.map((step) => step.state),
  });
}

export const stepView = ({ runId: _, position: __, ...step }: StepFacts) => step;
