import { maxStepsOf } from '#machines/run/run.context.js';
import type { OwnerCommand } from '#machines/run/run.decide.js';
import type { Json } from '#events/shapes.js';
import { BudgetExhaustedError } from '../runs/budget.js';
import { record, reportFailure, stepOf, type EffectTask, type StepEffect } from './effect.js';
import { keepOutput, scopeFor } from './outputs.js';
import { resolve } from './resolve.js';

/** Turns a `forEach` step into its children: one for each item of the list its expression yields. */
export async function expandStep(task: EffectTask<StepEffect>): Promise<OwnerCommand | undefined> {
  const { step, planStep } = stepOf(task);
  try {
    const files = task.deps.files(task.runId);
    const scope = await scopeFor(files, task.context, planStep.forEach, step);
    const yielded = await resolve(planStep.forEach!, scope);
    const items = task.context.dryRun && !Array.isArray(yielded) ? [null] : asList(yielded);
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

/** JSONata calls a list of one its item, and an empty list nothing. */
function asList(value: Json): Json[] {
  if (Array.isArray(value)) return value;
  return value === null ? [] : [value];
}
