import { stepSchema, type PlanStep } from '#events/plan.js';
import type { Json, Output } from '#events/shapes.js';
import type { OwnerCommand } from '#machines/run/run.decide.js';
import { fail } from '../failures/failures.js';
import { bestIssues } from '../mission/issues.js';
import type { StepResult, StepTask } from '../runtimes/driver.js';
import { routeStep } from '../runtimes/routing.js';
import {
  idempotencyKeyOf,
  record,
  reportFailure,
  stepOf,
  type EffectTask,
  type StepEffect,
} from './effect.js';
import { keepOutput, scopeFor } from './outputs.js';
import { hasExpression, resolve } from './resolve.js';

/** Performs one attempt of a step through its driver, within its time-out. */
export async function executeStep(task: EffectTask<StepEffect>): Promise<OwnerCommand | undefined> {
  const { planStep } = stepOf(task);
  const startedAt = performance.now();
  try {
    const result = task.context.dryRun ? simulated(planStep) : await perform(task);
    const output = await keepOutput(task.deps.files(task.runId), result.output, result.content);
    return record(outcome(task, result, output, performance.now() - startedAt));
  } catch (error) {
    return reportFailure(task, error);
  }
}

function outcome(task: EffectTask<StepEffect>, result: StepResult, output: Output, elapsedMs: number) {
  const { planStep } = stepOf(task);
  const { runtime, reason } = routeStep(planStep);
  const data = {
    stepId: task.effect.stepId,
    attempt: task.effect.attempt,
    output,
    ...(result.artifacts?.length && { artifacts: result.artifacts }),
    ...(result.evidence?.length && { evidence: result.evidence }),
    runtime,
    runtimeReason: reason,
    durationMs: Math.round(elapsedMs * 1000) / 1000,
    ...(task.budget.used && { usage: task.budget.used }),
  };
  const toVerify = !task.context.dryRun && (planStep.expect?.length ?? 0) > 0;
  return { type: toVerify ? ('step.performed' as const) : ('step.succeeded' as const), data };
}

const simulated = (step: PlanStep): StepResult => ({
  output: { simulated: true, do: step.do },
  content: false,
});

async function perform(task: EffectTask<StepEffect>): Promise<StepResult> {
  const stepTask = await stepTaskOf(task);
  const driver = task.deps.drivers.driverFor(stepTask.step);
  const timeoutMs = stepTask.step.timeoutMs ?? task.deps.stepTimeoutMs;
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), timeoutMs);
  const signal = AbortSignal.any([task.signal, timeout.signal]);
  try {
    await task.mayAct();
    return await Promise.race([driver.execute({ ...stepTask, signal }), overdue(timeout.signal)]);
  } catch (error) {
    if (timeout.signal.aborted && !task.signal.aborted) {
      throw fail('step-timeout', `the step did not finish within ${timeoutMs} ms`);
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** A driver that goes on after its time-out is not waited for without end: the step has failed, whatever it does. */
function overdue(timeout: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const expire = () =>
      setTimeout(() => reject(new Error('the driver did not stop')), STOP_GRACE_MS).unref();
    timeout.addEventListener('abort', expire, { once: true });
  });
}
const STOP_GRACE_MS = 10_000;

/** The step as its driver gets it: expressions resolved, and checked once more, now that the values are known. */
export async function stepTaskOf(task: EffectTask<StepEffect>): Promise<StepTask> {
  const { step, planStep } = stepOf(task);
  const files = task.deps.files(task.runId);
  return {
    runId: task.runId,
    stepId: step.id,
    attempt: step.attempt,
    step: hasExpression(planStep.with) ? await resolved(task, planStep) : planStep,
    idempotencyKey: idempotencyKeyOf(task.runId, step.id),
    mission: task.context.mission,
    files,
    signal: task.signal,
    mayAct: task.mayAct,
    budget: task.budget,
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
