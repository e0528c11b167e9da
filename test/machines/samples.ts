import type { EventData, EventType, NewEvent } from '#events/catalog.js';
import type { Mission } from '#events/mission.js';
import { planSchema, type Plan, type PlanStep } from '#events/plan.js';
import type { Failure } from '#events/shapes.js';
import type { RunCommand } from '#machines/run/run.decide.js';

export const DIGEST = 'a'.repeat(64);
export const OTHER_DIGEST = 'b'.repeat(64);

type StepOptions = Partial<
  Pick<PlanStep, 'needs' | 'forEach' | 'retry' | 'approval' | 'onFailure' | 'safeToRepeat' | 'expect'>
>;

/** A step that may run twice. */
export const safeStep = (id: string, options: StepOptions = {}): unknown => ({
  id,
  title: `step ${id}`,
  do: 'workspace.call',
  with: { tool: 'noop', args: {} },
  ...options,
});
/** A step that must not run twice: it commits its intent first. */
export const unsafeStep = (id: string, options: StepOptions = {}): unknown => ({
  ...(safeStep(id, options) as object),
  with: { server: 'shop', tool: 'order', args: {} },
});

export const planOf = (steps: unknown[], success?: unknown[]): Plan =>
  planSchema.parse({ steps, ...(success && { success }) });

export const missionOf = (mission: Partial<Mission> = {}): Mission => ({
  id: 'mis_1',
  objective: 'do it',
  inputs: {},
  metadata: {},
  limits: {},
  approval: 'never',
  ...mission,
});
/** A mission that brings these steps as its plan. */
export const withSteps = (steps: unknown[], mission: Partial<Mission> = {}): Mission =>
  missionOf({ plan: planOf(steps), ...mission });

export const failureOf = (kind: Failure['kind'] = 'site'): Failure => ({
  kind,
  code: 'went-wrong',
  message: 'it went wrong',
  hint: 'look at it',
});

/** An event before it has a place. */
export const event = <T extends EventType>(type: T, data: EventData<T>): NewEvent =>
  ({ type, data }) as NewEvent;

const outcome = (stepId: string, attempt: number) => ({
  stepId,
  attempt,
  output: { digest: DIGEST, bytes: 2 },
  runtime: 'workspace' as const,
  runtimeReason: 'the step says so',
  durationMs: 5,
});
export const started = (epoch = 1): NewEvent => event('run.started', { worker: 'wrk_1', epoch });
export const recovered = (epoch: number): NewEvent => event('run.recovered', { worker: 'wrk_2', epoch });
export const proposed = (plan: Plan): NewEvent =>
  event('plan.proposed', { plan, source: 'model', reason: 'because' });
export const intended = (stepId: string, attempt = 1): NewEvent =>
  event('step.started', { stepId, attempt, idempotencyKey: `run_1:${stepId}:${attempt}` });
export const expanded = (stepId: string, count: number): NewEvent =>
  event('step.expanded', { stepId, count, items: { digest: DIGEST, bytes: 2 } });
export const performed = (stepId: string, attempt = 1): NewEvent =>
  event('step.performed', outcome(stepId, attempt));
export const succeeded = (stepId: string, attempt = 1): NewEvent =>
  event('step.succeeded', outcome(stepId, attempt));
export const failed = (stepId: string, attempt = 1): NewEvent =>
  event('step.failed', { stepId, attempt, failure: failureOf() });
export const retried = (stepId: string, attempt: number, retryAt = '2026-11-22T09:00:59.000Z'): NewEvent =>
  event('step.retried', { stepId, attempt, failure: failureOf(), retryAt });
export const doubted = (stepId: string, attempt = 1): NewEvent =>
  event('step.in-doubt', { stepId, attempt, idempotencyKey: `run_1:${stepId}:${attempt}` });
export const reconciled = (
  stepId: string,
  found: EventData<'step.reconciled'>['outcome'],
  attempt = 1,
): NewEvent => event('step.reconciled', { stepId, attempt, outcome: found });
export const asked = (stepId: string, argumentHash = DIGEST, attempt = 1): NewEvent =>
  event('step.approval-requested', { stepId, attempt, argumentHash });
export const approved = (stepId: string, argumentHash = DIGEST): NewEvent =>
  event('step.approved', { stepId, argumentHash });
export const rejected = (stepId: string): NewEvent => event('step.rejected', { stepId });
export const fired = (timer: string): NewEvent => event('timer.fired', { timer });
export const pauseRequested = (): NewEvent => event('run.pause-requested', { reason: 'wait' });
export const cancelRequested = (): NewEvent => event('run.cancel-requested', { reason: 'enough' });
export const paused = (interrupted: string[] = []): NewEvent =>
  event('run.paused', { quiescedAt: '2026-11-22T09:00:00.000Z', interrupted, reason: 'wait' });
export const cancelled = (interrupted: string[] = []): NewEvent => event('run.cancelled', { interrupted });
export const resumed = (note?: string): NewEvent => event('run.resumed', note === undefined ? {} : { note });
export const validated = (checks = 1): NewEvent =>
  event('validation.passed', {
    evidence: Array.from({ length: checks }, (_, index) => ({
      kind: 'check',
      check: `check ${index}`,
      passed: true,
    })),
  });
export const refuted = (): NewEvent => event('validation.failed', { failure: failureOf('validation') });
export const runSucceeded = (checks = 0): NewEvent => event('run.succeeded', { checks });
export const runFailed = (): NewEvent => event('run.failed', { failure: failureOf() });

export const record = (recorded: NewEvent): RunCommand => ({ kind: 'Record', event: recorded });
export const reportFailure = (stepId: string, attempt = 1, kind: Failure['kind'] = 'site'): RunCommand => ({
  kind: 'ReportFailure',
  stepId,
  attempt,
  failure: failureOf(kind),
  artifacts: [],
});
