import type { Failure } from '#events/shapes.js';
import { isFinished, moveStep, type StepRecord } from '../step/move-step.js';
import { maxParallelOf, planStepOf, type RunContext } from './run.context.js';

const BUSY: ReadonlySet<string> = new Set(['running', 'verifying', 'reconciling', 'inDoubt']);

/** Settles `forEach` parents whose children are done, then dispatches what may run, up to `maxParallel`. */
export function schedule(context: RunContext): RunContext {
  const settled = settleParents(context);
  return settled.failure ? settled : dispatchReady(settled);
}

export const allFinished = (context: RunContext): boolean =>
  context.plan !== null && context.steps.every(isFinished);

/** The children of a `forEach` step, in order. They stand side by side: expansion appends them together. */
export function childrenOf(context: RunContext, parent: StepRecord): readonly StepRecord[] {
  const first = context.index[`${parent.id}.0`];
  return parent.children && first !== undefined ? context.steps.slice(first, first + parent.children) : [];
}

function settleParents(context: RunContext): RunContext {
  const parents = context.steps.filter((step) => step.state === 'expanded');
  return parents.reduce((folded, parent) => {
    const children = childrenOf(folded, parent);
    return children.every(isFinished) ? settleParent(folded, parent) : folded;
  }, context);
}

/** A child that was allowed to fail (`onFailure: continue`) is part of the parent's output, not its failure. */
const settleParent = (context: RunContext, parent: StepRecord): RunContext =>
  replaceStep(context, moveStep(parent, { type: 'children-finished' }) ?? parent);

function dispatchReady(context: RunContext): RunContext {
  let free = maxParallelOf(context) - context.steps.filter((step) => BUSY.has(step.state)).length;
  if (free <= 0) return context;
  const steps = [...context.steps];
  for (const [position, step] of steps.entries()) {
    if (free <= 0) break;
    if (step.state !== 'waiting' || !needsMet(context, step)) continue;
    const planStep = planStepOf(context, step);
    const moved = moveStep(step, { type: 'dispatch', approval: planStep.approval ?? false });
    if (!moved) continue;
    steps[position] = moved;
    if (BUSY.has(moved.state)) free--;
  }
  return { ...context, steps };
}

/** A child of `forEach` waits for nothing: its parent did. */
function needsMet(context: RunContext, step: StepRecord): boolean {
  if (step.item !== undefined) return true;
  return (planStepOf(context, step).needs ?? []).every((need) => {
    const position = context.index[need];
    return position !== undefined && isFinished(context.steps[position]!);
  });
}

export function replaceStep(context: RunContext, step: StepRecord): RunContext {
  const steps = [...context.steps];
  steps[context.index[step.id]!] = step;
  return { ...context, steps };
}

/** What a failed step means for its run: nothing when it may fail, else the run's own failure. */
export function failureOfRun(context: RunContext, step: StepRecord): Failure | null {
  if (!step.failure || planStepOf(context, step).onFailure === 'continue') return null;
  return { ...step.failure, message: `step ${step.id}: ${step.failure.message}` };
}
