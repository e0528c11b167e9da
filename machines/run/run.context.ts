import { DEFAULT_MAX_PARALLEL, DEFAULT_MAX_STEPS, type Limits, type Mission } from '#events/mission.js';
import type { Plan, PlanStep } from '#events/plan.js';
import type { Reuse } from '#events/run.events.js';
import type { Failure, Usage } from '#events/shapes.js';
import { BUSY, isFinished, waitingStep, type StepRecord } from '../step/move-step.js';

/** Everything a run machine knows. All of it is JSON, and all of it came in events. */
export interface RunContext {
  readonly mission: Mission;
  readonly dryRun: boolean;
  /** When a scheduled run begins; nothing, when it may begin now. */
  readonly startAt: string | null;
  /** The plan the run begins with, if it need not make one, and what of it an earlier run has done. */
  readonly given: Plan | null;
  readonly carried: readonly StepRecord[];
  readonly plan: Plan | null;
  /** How often a plan was asked for: a resumed run may ask again. */
  readonly planRound: number;
  readonly steps: readonly StepRecord[];
  /** Of `steps`: those that are not finished, those at work, and the first that may wait for its turn. */
  readonly open: number;
  readonly busy: number;
  readonly waitingFrom: number;
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
  /** The limits of the mission, as they were raised since. */
  readonly limits: Limits;
  /** What the steps have spent on models so far. */
  readonly spent: Usage;
  /** The limit that stopped the run, until it is raised. */
  readonly exhausted: keyof Limits | null;
  /** Who holds the controls, while that is a person; the number of takings so far. */
  readonly control: ControlLease | null;
  readonly controlEpoch: number;
  /** What people have done at the controls. */
  readonly acts: number;
  /** Id of the step effect that ended last. */
  readonly lastEffect: string | null;
  /** The words of a person that the later steps see. */
  readonly notes: readonly string[];
  /** Why a pause or a cancel was asked for. */
  readonly reason: string | null;
}

export interface ControlLease {
  readonly lease: string;
  readonly holder: string;
  readonly epoch: number;
  readonly expiresAt: string;
}

/** The lease that is in force at a time. */
export const controlAt = (context: Pick<RunContext, 'control'>, time: string): ControlLease | null =>
  context.control && Date.parse(time) < Date.parse(context.control.expiresAt) ? context.control : null;

const NO_MISSION: Mission = { id: '', inputs: {}, metadata: {}, limits: {}, approval: 'never' };

export interface RunInput {
  readonly mission: Mission;
  readonly dryRun: boolean;
  readonly reuse?: Reuse | undefined;
  readonly startAt?: string | undefined;
}

const NO_INPUT: RunInput = { mission: NO_MISSION, dryRun: false };

/**
 * XState's `transition` builds a throw-away actor without input for every call, so this must not throw then: a caught
 * error there costs more than the transition.
 */
export const bornContext = ({ mission, dryRun, reuse, startAt }: RunInput = NO_INPUT): RunContext => ({
  mission,
  dryRun,
  startAt: startAt ?? null,
  given: reuse?.plan ?? mission.plan ?? null,
  carried: (reuse?.steps ?? []) as readonly StepRecord[],
  plan: null,
  planRound: 1,
  steps: [],
  open: 0,
  busy: 0,
  waitingFrom: 0,
  index: {},
  worker: null,
  epoch: 0,
  startedAt: null,
  pausedAt: null,
  pausedMs: 0,
  failure: null,
  checksPassed: 0,
  limits: mission.limits,
  spent: { tokens: 0, costUsd: 0 },
  exhausted: null,
  control: null,
  controlEpoch: 0,
  acts: 0,
  lastEffect: null,
  notes: [],
  reason: null,
});

/** The context with a plan's steps in it: waiting, but for those that `carried` says are done. */
export const withPlan = (
  plan: Plan,
  carried: readonly StepRecord[],
): Pick<RunContext, 'plan' | 'steps' | keyof Counts> => {
  const done = new Map(carried.map((step) => [step.id, step]));
  const ofPlan = plan.steps.map(
    (step, position) => done.get(step.id) ?? waitingStep({ id: step.id, plan: position, approved: false }),
  );
  const steps = [...ofPlan, ...carried.filter((step) => step.item !== undefined)];
  return { plan, steps, ...countsOf(steps) };
};

/** The finished steps of a run that another plan has too, word for word, with their places in that plan. */
export function carriedInto(plan: Plan, context: Pick<RunContext, 'plan' | 'steps' | 'index'>): StepRecord[] {
  const placeOf = new Map(plan.steps.map((step, position) => [step.id, position]));
  return context.steps.flatMap((step) => {
    const old = context.plan?.steps[step.plan];
    const parent = old && context.steps[context.index[old.id]!];
    const place = old && placeOf.get(old.id);
    if (place === undefined || !parent || !isDone(parent) || !isDone(step)) return [];
    return isSame(old, plan.steps[place]) ? [{ ...step, plan: place }] : [];
  });
}

/** Whether two JSON values are the same, whatever the order of their members: a stored one has another than a fresh one. */
function isSame(left: unknown, right: unknown): boolean {
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null)
    return left === right;
  const [some, others] = [membersOf(left), membersOf(right)];
  return some.size === others.size && [...some].every(([key, value]) => isSame(value, others.get(key)));
}
const membersOf = (value: object): Map<string, unknown> =>
  new Map(Object.entries(value).filter(([, member]) => member !== undefined));

/** Done for good: a failure, though it may have been allowed, is worth another try. */
const isDone = (step: StepRecord): boolean => isFinished(step) && step.state !== 'failed';

export const withChildren = (context: RunContext, children: readonly StepRecord[]): Partial<RunContext> => {
  const steps = [...context.steps, ...children];
  return { steps, ...countsOf(steps) };
};

/** The context with some steps as they are now. A step that waits again is found again. */
export function withSteps(context: RunContext, changed: readonly StepRecord[]): RunContext {
  if (changed.length === 0) return context;
  const steps = [...context.steps];
  let { open, busy, waitingFrom } = context;
  for (const step of changed) {
    const position = context.index[step.id]!;
    const before = steps[position]!;
    steps[position] = step;
    open += Number(isFinished(before)) - Number(isFinished(step));
    busy += Number(BUSY.has(step.state)) - Number(BUSY.has(before.state));
    if (step.state === 'waiting') waitingFrom = Math.min(position, waitingFrom);
  }
  return { ...context, steps, open, busy, waitingFrom };
}

type Counts = Pick<RunContext, 'index' | 'open' | 'busy' | 'waitingFrom'>;

/** What is counted of steps, from scratch: moving one step by the other keeps it right, and a run of many steps fast. */
export const countsOf = (steps: readonly StepRecord[]): Counts => ({
  index: indexOf(steps),
  open: steps.filter((step) => !isFinished(step)).length,
  busy: steps.filter((step) => BUSY.has(step.state)).length,
  waitingFrom: 0,
});

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
  context.limits.maxParallel ?? DEFAULT_MAX_PARALLEL;
export const maxStepsOf = (context: RunContext): number => context.limits.maxSteps ?? DEFAULT_MAX_STEPS;
