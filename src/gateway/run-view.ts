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
  startedAt: run.startedAt,
  finishedAt: run.finishedAt,
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
  control,
  commands: legalFor(run, steps),
  links: linksOf(run.id),
});

function legalFor({ status }: RunFacts, steps: RunView['steps']): CommandName[] {
  const asked = steps.some((step) => step.state === 'awaitingApproval');
  return commandsIn(status, asked);
}

export const stepView = ({ runId: _, position: __, ...step }: StepFacts) => step;
