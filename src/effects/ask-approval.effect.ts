import type { Json } from '#events/shapes.js';
import type { OwnerCommand } from '#machines/run/run.decide.js';
import { fail } from '../failures/failures.js';
import { digestOf } from '../log/hash-chain.js';
import { record, reportFailure, stepOf, type EffectTask, type StepEffect } from './effect.js';
import { keepOutput } from './outputs.js';
import { itemsOf, stepTaskOf } from './step-task.js';

/**
 * Asks a person about a step as it would be done: with its expressions resolved. What is asked about is kept as a file of
 * the run, since it may be page content, and its digest is the argument hash that an approval names.
 */
export async function askApproval(task: EffectTask<StepEffect>): Promise<OwnerCommand | undefined> {
  const { stepId, attempt } = task.effect;
  try {
    const asked = await askedOf(task);
    const kept = await keepOutput(task.deps.files(task.runId), asked, true);
    const data = { stepId, attempt, argumentHash: kept.digest, arguments: kept };
    return record({ type: 'step.approval-requested', data });
  } catch (error) {
    return reportFailure(task, error);
  }
}

/** Throws when a step is about to do something else than a person has approved. */
export function checkApproved(task: EffectTask<StepEffect>, asked: Json): void {
  const { argumentHash } = stepOf(task).step;
  if (argumentHash !== undefined && digestOf(asked) !== argumentHash)
    throw fail('approval-stale', 'what the step would do now is not what was approved');
}

async function askedOf(task: EffectTask<StepEffect>): Promise<Json> {
  const { step, planStep } = stepOf(task);
  const forEach = planStep.forEach !== undefined && step.item === undefined;
  return forEach ? askedForEach(task, await itemsOf(task)) : askedOnce((await stepTaskOf(task)).step);
}

/** What is asked about a step that is done once. */
export const askedOnce = ({ do: does, with: args }: { do: string; with: unknown }): Json =>
  ({ do: does, with: args }) as Json;

/** What is asked about a step that is done for each item of a list: the list, and what is done with an item. */
export const askedForEach = (task: EffectTask<StepEffect>, items: readonly Json[]): Json => ({
  ...(askedOnce(stepOf(task).planStep) as object),
  forEach: [...items],
});
