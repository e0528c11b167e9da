import type { OwnerCommand } from '#machines/run/run.decide.js';
import { failure } from '../failures/failures.js';
import { runChecks } from '../validator/checks.js';
import { asFailure, record, type EffectTask } from './effect.js';
import { scopeFor } from './outputs.js';

/** Decides by evidence whether the run did what was asked: the plan's `success` checks. */
export async function validate(task: EffectTask): Promise<OwnerCommand | undefined> {
  const checks = task.context.dryRun ? [] : (task.context.plan?.success ?? []);
  if ((task.context.plan?.success ?? []).length === 0)
    return record({ type: 'run.succeeded', data: { checks: 0 } });
  try {
    const files = task.deps.files(task.runId);
    const scope = await scopeFor(files, task.context, checks);
    const evidence = task.context.dryRun ? simulatedEvidence() : await runChecks(checks, { files, scope });
    const failed = evidence.find((piece) => !piece.passed);
    if (!failed) return record({ type: 'validation.passed', data: { evidence } });
    const message = `the run is not what was asked for: check ${failed.check} failed: ${failed.detail ?? ''}`;
    return record({
      type: 'validation.failed',
      data: { failure: failure('check-failed', message, { evidence }) },
    });
  } catch (error) {
    return record({ type: 'validation.failed', data: { failure: asFailure(error) } });
  }
}

const simulatedEvidence = () => [
  { kind: 'check' as const, check: 'simulated', passed: true, detail: 'nothing was done' },
];
