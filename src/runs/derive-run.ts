import { cp, lstat } from 'node:fs/promises';
import type { MissionRequest } from '#events/mission.js';
import type { Plan } from '#events/plan.js';
import type { Reuse } from '#events/run.events.js';
import type { Json, Output } from '#events/shapes.js';
import { CURRENT_RUN_MACHINE } from '#machines/registry.js';
import { carriedInto, type RunContext } from '#machines/run/run.context.js';
import { isRestingStatus } from '#machines/run/run.commands.js';
import { legalCommands, type Refusal } from '#machines/run/run.decide.js';
import { statusOf } from '#machines/run/run.effects.js';
import type { StepRecord } from '#machines/step/move-step.js';
import type { RunFiles } from '../agentfs/agentfs.js';
import type { EventLog } from '../log/event-log.js';
import type { Envelope } from '#events/envelope.js';
import { newId } from '../ids.js';
import { digestOf } from '../log/hash-chain.js';
import { RunNotFoundError } from './load-run.js';
import { foldAll, writeFirst, type RunState } from './run-state.js';
import type { Submitted } from './submit-mission.js';

export interface DeriveDeps {
  readonly log: EventLog;
  files(runId: string): RunFiles;
  /** The mission as it may be accepted, or an InvalidMissionError. */
  check(mission: object): MissionRequest;
}

export interface DeriveContext {
  readonly actor: string;
  readonly causationid: string;
}

export interface Retry {
  /** This step and all that need it are done again; without it, everything is. */
  readonly fromStep?: string | undefined;
}
export interface Fork {
  readonly atRev: number;
  readonly plan?: Plan | undefined;
  readonly inputs?: Readonly<Record<string, Json>> | undefined;
}

/** What a retry or a fork names is not in the run. */
export class NoSuchPlaceError extends Error {
  readonly code = 'no-such-place';
}

/** A new run of the same mission: finished steps are taken over by digest, with a copy of the run's folder. */
export async function retryRun(
  deps: DeriveDeps,
  runId: string,
  { fromStep }: Retry,
  context: DeriveContext,
): Promise<Submitted | Refusal> {
  const state = await stateAt(deps.log, runId);
  const status = statusOf(state.snapshot);
  if (state.snapshot.status !== 'done') return notAtAnEnd(state, status);
  const { context: run } = state.snapshot;
  if (fromStep === undefined) return derive(deps, state, missionOf(run), undefined, context);
  if (!run.plan?.steps.some((step) => step.id === fromStep))
    throw new NoSuchPlaceError(`run ${runId} has no step ${fromStep} in its plan`);
  const again = withDependants(run.plan, fromStep);
  const kept = carriedInto(run.plan, run).filter((step) => !again.has(run.plan!.steps[step.plan]!.id));
  return derive(deps, state, missionOf(run), reuseOf(run.plan, kept), context);
}

/** A new run that shares the history of another up to a revision, and may go on with another plan or other inputs. */
export async function forkRun(
  deps: DeriveDeps,
  runId: string,
  { atRev, plan, inputs }: Fork,
  context: DeriveContext,
): Promise<Submitted> {
  const state = await stateAt(deps.log, runId, atRev);
  const { context: run } = state.snapshot;
  const mission = { ...missionOf(run), ...(inputs && { inputs: { ...run.mission.inputs, ...inputs } }) };
  const { template: _, ...ofPlan } = mission;
  const wanted = plan ? { ...ofPlan, plan } : mission;
  const next = plan ?? run.plan;
  const reuse = next ? reuseOf(next, carriedInto(next, run)) : undefined;
  return derive(deps, state, wanted, reuse, context);
}

async function derive(
  deps: DeriveDeps,
  from: RunState,
  mission: object,
  reuse: Reuse | undefined,
  { actor, causationid }: DeriveContext,
): Promise<Submitted> {
  const checked = deps.check(mission);
  const { dryRun = false, ...request } = checked;
  const runId = `run_${newId()}`;
  const { mission: old } = from.snapshot.context;
  await copyFolder(deps.files(from.runId), deps.files(runId), reuse !== undefined);
  const data = {
    mission: { ...request, id: old.id, ...(old.files && { files: old.files }) },
    machine: CURRENT_RUN_MACHINE,
    dryRun,
    requestDigest: digestOf({ ...request, dryRun }),
    parent: { runId: from.runId, rev: from.rev },
    ...(reuse && { reuse: await lightened(reuse, deps.files(runId)) }),
  };
  const time = new Date().toISOString();
  const envelope = writeFirst(runId, { type: 'run.created', data }, { actor, causationid, time });
  const seq = await deps.log.append(envelope, 0);
  return { missionId: old.id, runId, seq, rev: 1 };
}

async function stateAt(log: EventLog, runId: string, rev = Infinity): Promise<RunState> {
  const events = await log.read(runId);
  const last = events.at(-1);
  if (!last) throw new RunNotFoundError(runId);
  const upTo = events.filter(({ body }) => (body as Envelope).rev <= rev);
  const reached = (last.body as Envelope).rev;
  if (Number.isFinite(rev) && rev > reached)
    throw new NoSuchPlaceError(`run ${runId} has no revision ${rev}; its last one is ${reached}`);
  return foldAll(upTo)!;
}

function notAtAnEnd(state: RunState, status: ReturnType<typeof statusOf>): Refusal {
  const hint = isRestingStatus(status) ? 'it waits for a person' : 'it is at work';
  return {
    refused: 'illegal-command',
    message: `a run is retried when it has ended; this one is ${status}: ${hint}`,
    state: status,
    legal: legalCommands(state.snapshot, new Date().toISOString()),
  };
}

function missionOf({
  mission,
  dryRun,
}: RunContext): Omit<RunContext['mission'], 'id' | 'schedule' | 'files'> & { dryRun: boolean } {
  // What is done again is done now.
  const { id: _, schedule: __, files: ___, ...request } = mission;
  return { ...request, dryRun };
}

/** A step and everything that needs it, directly or not. */
function withDependants(plan: Plan, first: string): Set<string> {
  const found = new Set([first]);
  for (let before = 0; before < found.size;) {
    before = found.size;
    for (const step of plan.steps) if (step.needs?.some((need) => found.has(need))) found.add(step.id);
  }
  return found;
}

const reuseOf = (plan: Plan, steps: readonly StepRecord[]): Reuse => ({
  plan,
  steps: steps.map((step) => ({
    id: step.id,
    plan: step.plan,
    attempt: step.attempt,
    intent: false as const,
    approved: true as const,
    state: step.state === 'skipped' ? ('skipped' as const) : ('succeeded' as const),
    ...(step.item !== undefined && { item: step.item }),
    ...(step.children !== undefined && { children: step.children }),
    ...(step.items && { items: step.items }),
    ...(step.output && { output: step.output }),
    ...(step.artifacts && { artifacts: [...step.artifacts] }),
  })),
});

const MAX_INLINE_BYTES = 4096;

/** Outputs of many steps go into one event here: larger ones become files of the new run. */
async function lightened(reuse: Reuse, files: RunFiles): Promise<Reuse> {
  const light = async (output: Output): Promise<Output> => {
    if (output.inline === undefined || output.bytes <= MAX_INLINE_BYTES) return output;
    const text = JSON.stringify(output.inline);
    const kept = await files.keep(text, { type: 'output', mediaType: 'application/json', extension: 'json' });
    return { digest: output.digest, bytes: output.bytes, path: kept.path };
  };
  const steps = await Promise.all(
    reuse.steps.map(async (step) => ({
      ...step,
      ...(step.output && { output: await light(step.output) }),
      ...(step.items && { items: await light(step.items) }),
    })),
  );
  return { ...reuse, steps };
}

/** All of a folder, or (nothing is taken over) what was handed in alone. Links and devices stay behind. */
async function copyFolder(from: RunFiles, to: RunFiles, whole: boolean): Promise<void> {
  const part = whole ? '' : '/inputs';
  const source = `${from.folder}${part}`;
  if (!(await lstat(source).catch(() => undefined))?.isDirectory()) return;
  await cp(source, `${to.folder}${part}`, {
    recursive: true,
    filter: async (path) => {
      const facts = await lstat(path);
      return facts.isDirectory() || (facts.isFile() && facts.nlink === 1);
    },
  });
}
