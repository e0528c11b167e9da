import type { PlanStep } from '#events/plan.js';
import type { Failure } from '#events/shapes.js';
import { BUSY, isFinished, moveStep, type StepRecord } from '../step/move-step.js';
import { maxParallelOf, planStepOf, withSteps, type RunContext } from './run.context.js';

/** Dispatches what may run, up to `maxParallel`, unless the run is going to fail. */
export const schedule = (context: RunContext): RunContext =>
  context.failure ? context : dispatchReady(context);

export const allFinished = (context: RunContext): boolean => context.plan !== null && context.open === 0;

/** The children of a `forEach` step, in order. They stand side by side: expansion appends them together. */
export function childrenOf(context: RunContext, parent: StepRecord): readonly StepRecord[] {
  const first = context.index[`${parent.id}.0`];
  return parent.children && first !== undefined ? context.steps.slice(first, first + parent.children) : [];
}

/** The context after a step has moved; a `forEach` step is settled with the last of its children. */
export function replaceStep(context: RunContext, step: StepRecord): RunContext {
  const before = context.steps[context.index[step.id]!]!;
  if (step.state === 'expanded' && step.children === 0) return withSteps(context, [settled(step)]);
  const ended = step.item !== undefined && isFinished(step) && !isFinished(before);
  return withSteps(context, ended ? [step, parentAfter(context, step)] : [step]);
}

/** The parent of a child that has just finished. */
function parentAfter(context: RunContext, child: StepRecord): StepRecord {
  const parent = context.steps[context.index[planStepOf(context, child).id]!]!;
  const counted = { ...parent, childrenDone: (parent.childrenDone ?? 0) + 1 };
  return counted.childrenDone < (parent.children ?? 0) ? counted : settled(counted);
}

/** A child that was allowed to fail (`onFailure: continue`) is part of the parent's output, not its failure. */
const settled = (parent: StepRecord): StepRecord => moveStep(parent, { type: 'children-finished' }) ?? parent;

/** Looks from the first step that may wait; where it stops, all before are known to be at work, done or blocked. */
function dispatchReady(context: RunContext): RunContext {
  const dispatched: StepRecord[] = [];
  let free = maxParallelOf(context) - context.busy;
  let blockedFrom: number | undefined;
  let position = context.waitingFrom;
  for (; position < context.steps.length && free > 0; position++) {
    const step = context.steps[position]!;
    if (step.state !== 'waiting') continue;
    const moved = needsMet(context, step) ? dispatch(context, step) : undefined;
    if (!moved) blockedFrom ??= position;
    else dispatched.push(moved);
    if (moved && BUSY.has(moved.state)) free--;
  }
  return { ...withSteps(context, dispatched), waitingFrom: blockedFrom ?? position };
}

/** `each` asks about each child of a `forEach` step, and not about the step as a whole. */
const asksFor = ({ approval }: PlanStep, { item }: StepRecord): boolean =>
  approval === 'each' ? item !== undefined : (approval ?? false);

const dispatch = (context: RunContext, step: StepRecord): StepRecord | undefined =>
  moveStep(step, { type: 'dispatch', approval: asksFor(planStepOf(context, step), step) });

/** A child of `forEach` waits for nothing: its parent did. */
function needsMet(context: RunContext, step: StepRecord): boolean {
  if (step.item !== undefined) return true;
  return (planStepOf(context, step).needs ?? []).every((need) => {
    const position = context.index[need];
    return position !== undefined && isFinished(context.steps[position]!);
  });
}

/** What a failed step means for its run: nothing when it may fail, else the run's own failure. */
export function failureOfRun(context: RunContext, step: StepRecord): Failure | null {
  if (!step.failure || planStepOf(context, step).onFailure === 'continue') return null;
  return { ...step.failure, message: `step ${step.id}: ${step.failure.message}` };
}
