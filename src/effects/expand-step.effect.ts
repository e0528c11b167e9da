import { maxStepsOf } from '#machines/run/run.context.js';
import type { OwnerCommand } from '#machines/run/run.decide.js';
import { BudgetExhaustedError } from '../runs/budget.js';
import { askedForEach, checkApproved } from './ask-approval.effect.js';
import { record, reportFailure, stepOf, type EffectTask, type StepEffect } from './effect.js';
import { keepOutput } from './outputs.js';
import { itemsOf } from './step-task.js';

/** Turns a `forEach` step into its children: one for each item of the list its expression yields. */
export async function expandStep(task: EffectTask<StepEffect>): Promise<OwnerCommand | undefined> {
  const { step } = stepOf(task);
  try {
    const files = task.deps.files(task.runId);
    const items = await itemsOf(task);
    checkApproved(task, askedForEach(task, items));
    const room = maxStepsOf(task.context) - task.context.steps.length;
    if (items.length > room) {
      const limit = maxStepsOf(task.context);
      throw new BudgetExhaustedError('maxSteps', limit, limit - room + items.length);
    }
    const kept = await keepOutput(files, items, !task.context.dryRun);
    return record({ type: 'step.expanded', data: { stepId: step.id, count: items.length, items: kept } });
  } catch (error) {
    return reportFailure(task, error);
  }
}
