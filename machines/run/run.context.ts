import { DEFAULT_MAX_PARALLEL, DEFAULT_MAX_STEPS, type Mission } from '#events/mission.js';
import type { Plan, PlanStep } from '#events/plan.js';
import type { Failure } from '#events/shapes.js';
import { waitingStep, type StepRecord } from '../step/move-step.js';

/** Everything a run machine knows. All of it is JSON, and all of it came in events. */
export interface RunContext {
  readonly mission: Mission;
  readonly dryRun: boolean;
  readonly plan: Plan | null;
  readonly steps: readonly StepRecord[];
  /** Step id → index in `steps`. */
  readonly index: Readonly<Record<string, number>>;
  readonly worker: string | null;
  /** Rises with every change of owner by recovery; who holds an older one is stale. */
  readonly epoch: number;
  readonly startedAt: string | null;
  /** Since when the run is paused, and for how long it was before: the deadline's clock stands still meanwhile. */
  readonly pausedAt: string | null;
  readonly pausedMs: number;
  /** Why the run is going to fail, once that is known. */
  readonly failure: Failure | null;
  /** How many checks the validation passed. */
  readonly checksPassed: number;
  /** The words of a person that the later steps see. */
  readonly notes: readonly string[];
  /** Why a pause or a cancel was asked for. */
  readonly reason: string | null;
}

const NO_MISSION: Mission = { id: '', inputs: {}, metadata: {}, limits: {}, approval: 'never' };

export interface RunInput {
  readonly mission: Mission;
  readonly dryRun: boolean;
}

/**
 * XState's `transition` builds a throw-away actor without input for every call, so this must not throw then: a caught
 * error there costs more than the transition.
 */
export const bornContext = (input: RunInput | undefined): RunContext => ({
  mission: input?.mission ?? NO_MISSION,
  dryRun: input?.dryRun ?? false,
  plan: null,
  steps: [],
  index: {},
  worker: null,
  epoch: 0,
  startedAt: null,
  pausedAt: null,
  pausedMs: 0,
  failure: null,
  checksPassed: 0,
  notes: [],
  reason: null,
});

/** The context with a plan's steps in it, all waiting. */
export const withPlan = (plan: Plan): Pick<RunContext, 'plan' | 'steps' | 'index'> => {
  const steps = plan.steps.map((step, position) =>
    waitingStep({ id: step.id, plan: position, approved: false }),
  );
  return { plan, steps, index: indexOf(steps) };
};

export const withChildren = (context: RunContext, children: readonly StepRecord[]): Partial<RunContext> => {
  const steps = [...context.steps, ...children];
  return { steps, index: indexOf(steps) };
};

const indexOf = (steps: readonly StepRecord[]): Record<string, number> =>
  Object.fromEntries(steps.map((step, position) => [step.id, position]));

export function stepById(context: RunContext, id: string): StepRecord | undefined {
  const position = context.index[id];
  return position === undefined ? undefined : context.steps[position];
}

/** The plan step a step is, or is a child of. */
export function planStepOf(context: RunContext, step: StepRecord): PlanStep {
  const planStep = context.plan?.steps[step.plan];
  if (!planStep) throw new RangeError(`step ${step.id} has no plan step ${step.plan}`);
  return planStep;
}

export const maxParallelOf = (context: RunContext): number =>
  context.mission.limits.maxParallel ?? DEFAULT_MAX_PARALLEL;
export const maxStepsOf = (context: RunContext): number =>
  context.mission.limits.maxSteps ?? DEFAULT_MAX_STEPS;
