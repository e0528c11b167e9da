import { driverOfAttempt } from '#machines/step/attempts.js';
import type { OwnerCommand } from '#machines/run/run.decide.js';
import { fail } from '../failures/failures.js';
import { routeStep } from '../runtimes/routing.js';
import { runChecks } from '../validator/checks.js';
import { record, reportFailure, stepOf, type EffectTask, type StepEffect } from './effect.js';
import { loadOutput, scopeFor } from './outputs.js';

/** Makes the checks of a step that has acted. They look at evidence; the step is not asked. */
export async function verifyStep(task: EffectTask<StepEffect>): Promise<OwnerCommand | undefined> {
  const { step, planStep } = stepOf(task);
  const startedAt = performance.now();
  try {
    const files = task.deps.files(task.runId);
    const output = await loadOutput(files, step.output);
    const scope = { ...(await scopeFor(files, task.context, planStep.expect ?? [], step)), output };
    const evidence = await runChecks(planStep.expect ?? [], { files, scope });
    const failed = evidence.find((piece) => !piece.passed);
    if (failed)
      throw fail('check-failed', `check ${failed.check} failed: ${failed.detail ?? ''}`, { evidence });
    const { runtime, reason } = routeStep(planStep);
    const driver = driverOfAttempt(planStep, step.attempt);
    return record({
      type: 'step.succeeded',
      data: {
        stepId: step.id,
        attempt: step.attempt,
        output: step.output ?? { digest: '0'.repeat(64), bytes: 0 },
        ...(step.artifacts && { artifacts: [...step.artifacts] }),
        evidence,
        runtime,
        runtimeReason: reason,
        ...(driver !== undefined && { driver }),
        durationMs: Math.round(performance.now() - startedAt),
      },
    });
  } catch (error) {
    return reportFailure(task, error);
  }
}
