import type { Failure } from '#events/shapes.js';
import type { Trace } from '#events/trace.js';
import type { OwnerCommand } from '#machines/run/run.decide.js';
import type { Effect } from '#machines/run/run.effects.js';
import { planStepOf, stepById, type RunContext } from '#machines/run/run.context.js';
import type { PlanStep } from '#events/plan.js';
import type { StepRecord } from '#machines/step/move-step.js';
import {
  FileNotFoundError,
  PathRefusedError,
  QuotaExceededError,
  type RunFiles,
} from '../agentfs/agentfs.js';
import { failure, InDoubtError, StepFailedError } from '../failures/failures.js';
import type { Templates } from '../mission/templates.js';
import { BudgetExhaustedError, type EffectBudget } from '../runs/budget.js';
import type { DriverRegistry } from '../runtimes/registry.js';

/** What effects need of the host. */
export interface EffectDeps {
  readonly drivers: DriverRegistry;
  readonly templates: Templates;
  readonly stepTimeoutMs: number;
  /** Tells what one action did; nothing waits for it, and nothing depends on it. */
  readonly trace: (trace: Trace) => void;
  /** Hears that a step waits for something that is nobody's fault. */
  readonly onWait?: ((runId: string, stepId: string, what: string) => void) | undefined;
  files(runId: string): RunFiles;
}

/** One effect to carry out: the state that asked for it, and the signal that it is no longer wanted. */
export interface EffectTask<E extends Effect = Effect> {
  readonly effect: E;
  readonly runId: string;
  readonly context: RunContext;
  readonly signal: AbortSignal;
  /** Aborted when the run is to come to rest while this effect may not be cut off. */
  readonly pausing: AbortSignal;
  /** Rejects when this owner may have lost the run: to be awaited before every act. */
  readonly mayAct: () => Promise<void>;
  readonly budget: EffectBudget;
  readonly deps: EffectDeps;
}
export type StepEffect = Extract<Effect, { stepId: string }>;

/** An effect ends by handing one command back to its run; nothing, when it was aborted. */
export type EffectRunner<E extends Effect = Effect> = (
  task: EffectTask<E>,
) => Promise<OwnerCommand | undefined>;

export const record = (event: Extract<OwnerCommand, { kind: 'Record' }>['event']): OwnerCommand => ({
  kind: 'Record',
  event,
});

export function stepOf(task: EffectTask<StepEffect>): { step: StepRecord; planStep: PlanStep } {
  const step = stepById(task.context, task.effect.stepId)!;
  return { step, planStep: planStepOf(task.context, step) };
}

export const intentOf = ({ effect, runId }: EffectTask<StepEffect>) => ({
  stepId: effect.stepId,
  attempt: effect.attempt,
  idempotencyKey: idempotencyKeyOf(runId, effect.stepId),
});

export const idempotencyKeyOf = (runId: string, stepId: string): string => `${runId}/${stepId}`;

/** Any error as a failure a person can act on. */
export function asFailure(error: unknown): Failure {
  if (error instanceof StepFailedError || error instanceof InDoubtError) return error.failure;
  if (error instanceof PathRefusedError) return failure('path-refused', error.message);
  if (error instanceof QuotaExceededError) return failure('quota-exceeded', error.message);
  if (error instanceof FileNotFoundError) return failure('file-not-found', error.message);
  return failure('step-crashed', error instanceof Error ? error.message : String(error));
}

/** Reports a failed attempt; silent when the effect was aborted, because then nobody waits for it. */
export function reportFailure(task: EffectTask<StepEffect>, error: unknown): OwnerCommand | undefined {
  if (task.signal.aborted) return undefined;
  const { stepId, attempt } = task.effect;
  const { used: usage } = task.budget;
  if (error instanceof BudgetExhaustedError) {
    const { budget, limit, wanted } = error;
    return record({
      type: 'budget.exhausted',
      data: { budget, limit, wanted, stepId, ...(usage && { usage }) },
    });
  }
  // Also what is in doubt is so only when it may not simply be done again.
  if (error instanceof InDoubtError && stepOf(task).step.intent)
    return record({ type: 'step.in-doubt', data: { ...intentOf(task), failure: error.failure } });
  const known = error instanceof StepFailedError || error instanceof InDoubtError;
  const artifacts = known ? error.artifacts : [];
  const untouched = error instanceof StepFailedError && error.untouched;
  const failed = { stepId, attempt, failure: asFailure(error), artifacts, usage };
  return { kind: 'ReportFailure', ...failed, ...(untouched && { untouched }) };
}
