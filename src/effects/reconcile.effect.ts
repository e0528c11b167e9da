import type { OwnerCommand } from '#machines/run/run.decide.js';
import { record, stepOf, type EffectTask, type StepEffect } from './effect.js';
import { keepOutput } from './outputs.js';
import { stepTaskOf } from './step-task.js';

/** Looks whether a step in doubt took effect. A driver that cannot look leaves it unknown: never again, silently. */
export async function reconcile(task: EffectTask<StepEffect>): Promise<OwnerCommand | undefined> {
  const { stepId, attempt } = task.effect;
  const found = await look(task).catch(() => ({ outcome: 'unknown' }) as const);
  if (task.signal.aborted) return undefined;
  if (found.outcome !== 'confirmed') {
    return record({ type: 'step.reconciled', data: { stepId, attempt, outcome: found.outcome } });
  }
  const { result } = found;
  const output = await keepOutput(task.deps.files(task.runId), result.output, result.content);
  const evidence = result.evidence?.length ? { evidence: result.evidence } : {};
  return record({
    type: 'step.reconciled',
    data: { stepId, attempt, outcome: 'confirmed', output, ...evidence },
  });
}

async function look(task: EffectTask<StepEffect>) {
  const { planStep } = stepOf(task);
  const driver = task.deps.drivers.driverFor(planStep, task.effect.attempt);
  return driver.reconcile ? driver.reconcile(await stepTaskOf(task)) : ({ outcome: 'unknown' } as const);
}
