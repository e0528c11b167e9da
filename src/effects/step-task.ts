import { stepSchema, type PlanStep } from '#events/plan.js';
import type { Json } from '#events/shapes.js';
import { fail } from '../failures/failures.js';
import { bestIssues } from '../mission/issues.js';
import type { StepTask } from '../runtimes/driver.js';
import { idempotencyKeyOf, stepOf, type EffectTask, type StepEffect } from './effect.js';
import { loadOutput, scopeFor } from './outputs.js';
import { hasExpression, resolve } from './resolve.js';

/** The step as its driver gets it: expressions resolved, and checked once more, now that the values are known. */
export async function stepTaskOf(task: EffectTask<StepEffect>): Promise<StepTask> {
  const { step, planStep } = stepOf(task);
  const files = task.deps.files(task.runId);
  return {
    runId: task.runId,
    stepId: step.id,
    attempt: step.attempt,
    step: hasExpression(planStep.with) ? await resolved(task, planStep) : planStep,
    planned: planStep,
    idempotencyKey: idempotencyKeyOf(task.runId, step.id),
    mission: task.context.mission,
    files,
    signal: task.signal,
    pausing: task.pausing,
    ...(step.progress && { progress: await loadOutput(files, step.progress) }),
    fence: { epoch: task.context.epoch, control: task.context.controlEpoch },
    waitFor: () => () => undefined,
    mayAct: task.mayAct,
    budget: task.budget,
    trace: task.deps.trace,
  };
}

async function resolved(task: EffectTask<StepEffect>, planStep: PlanStep): Promise<PlanStep> {
  const { step } = stepOf(task);
  const scope = await scopeFor(task.deps.files(task.runId), task.context, planStep.with, step);
  const parsed = stepSchema.safeParse({ ...planStep, with: await resolve(planStep.with as Json, scope) });
  if (parsed.success) return parsed.data;
  const [first] = bestIssues(parsed.error.issues);
  throw fail('bad-arguments', `after its expressions were resolved, ${first?.pointer}: ${first?.message}`);
}

/** The list that the `forEach` of a step yields now. */
export async function itemsOf(task: EffectTask<StepEffect>): Promise<Json[]> {
  const { step, planStep } = stepOf(task);
  const scope = await scopeFor(task.deps.files(task.runId), task.context, planStep.forEach, step);
  const yielded = await resolve(planStep.forEach!, scope);
  return task.context.dryRun && !Array.isArray(yielded) ? [null] : asList(yielded);
}

/** JSONata calls a list of one its item, and an empty list nothing. */
function asList(value: Json): Json[] {
  if (Array.isArray(value)) return value;
  return value === null ? [] : [value];
}
