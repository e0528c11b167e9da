import type { PlanStep } from '#events/plan.js';
import type { Output } from '#events/shapes.js';
import { driverOfAttempt } from '#machines/step/attempts.js';
import type { OwnerCommand } from '#machines/run/run.decide.js';
import { fail, SuspendedError } from '../failures/failures.js';
import type { StepResult } from '../runtimes/driver.js';
import { routeStep } from '../runtimes/routing.js';
import { askedOnce, checkApproved } from './ask-approval.effect.js';
import { record, reportFailure, stepOf, type EffectTask, type StepEffect } from './effect.js';
import { keepOutput } from './outputs.js';
import { stepTaskOf } from './step-task.js';

/** Performs one attempt of a step through its driver, within its time-out. */
export async function executeStep(task: EffectTask<StepEffect>): Promise<OwnerCommand | undefined> {
  const { planStep } = stepOf(task);
  const startedAt = performance.now();
  try {
    const result = task.context.dryRun ? simulated(planStep) : await perform(task);
    const output = await keepOutput(task.deps.files(task.runId), result.output, result.content);
    return record(outcome(task, result, output, performance.now() - startedAt));
  } catch (error) {
    return error instanceof SuspendedError ? suspended(task, error) : reportFailure(task, error);
  }
}

/** What the driver has done so far may hold what a page or a screen showed: it is kept as a file. */
async function suspended(
  task: EffectTask<StepEffect>,
  { progress, artifacts }: SuspendedError,
): Promise<OwnerCommand | undefined> {
  if (task.signal.aborted) return undefined;
  const { stepId, attempt } = task.effect;
  const kept = await keepOutput(task.deps.files(task.runId), progress, true);
  const more = artifacts.length > 0 && { artifacts: [...artifacts] };
  return record({ type: 'step.suspended', data: { stepId, attempt, progress: kept, ...more } });
}

function outcome(task: EffectTask<StepEffect>, result: StepResult, output: Output, elapsedMs: number) {
  const { planStep } = stepOf(task);
  const { runtime, reason } = routeStep(planStep);
  const driver = driverOfAttempt(planStep, task.effect.attempt);
  const data = {
    stepId: task.effect.stepId,
    attempt: task.effect.attempt,
    output,
    ...(result.artifacts?.length && { artifacts: result.artifacts }),
    ...(result.evidence?.length && { evidence: result.evidence }),
    runtime,
    runtimeReason: reason,
    ...(driver !== undefined && { driver }),
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
  checkApproved(task, askedOnce(stepTask.step));
  const driver = task.deps.drivers.driverFor(stepTask.step, stepTask.attempt);
  const timeoutMs = stepTask.step.timeoutMs ?? task.deps.stepTimeoutMs;
  const timeout = new AbortController();
  const clock = createClock(timeoutMs, () => timeout.abort());
  const signal = AbortSignal.any([task.signal, timeout.signal]);
  const waitFor = (what: string) => {
    task.deps.onWait?.(task.runId, stepTask.stepId, what);
    return clock.stop();
  };
  try {
    await task.mayAct();
    return await Promise.race([driver.execute({ ...stepTask, signal, waitFor }), overdue(timeout.signal)]);
  } catch (error) {
    if (timeout.signal.aborted && !task.signal.aborted) {
      throw fail('step-timeout', `the step did not finish within ${timeoutMs} ms`);
    }
    throw error;
  } finally {
    clock.end();
  }
}

/** A time-out that stands still while a step waits for something that is nobody's fault. */
function createClock(ms: number, onEnd: () => void): { stop(): () => void; end(): void } {
  let left = ms;
  let startedAt = performance.now();
  let waits = 0;
  let timer: NodeJS.Timeout | undefined = setTimeout(onEnd, left);
  const start = () => {
    waits--;
    if (waits > 0 || timer === undefined) return;
    startedAt = performance.now();
    timer = setTimeout(onEnd, left);
  };
  return {
    stop: () => {
      if (waits++ === 0) {
        clearTimeout(timer);
        left -= performance.now() - startedAt;
      }
      return start;
    },
    end: () => {
      clearTimeout(timer);
      timer = undefined;
    },
  };
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
