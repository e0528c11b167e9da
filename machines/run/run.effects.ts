import { isSafeToRepeat } from '../step/safety.js';
import { LONG_WAIT_MS } from '../step/step.machine.js';
import type { StepRecord } from '../step/move-step.js';
import { planStepOf, type RunContext } from './run.context.js';
import type { RunStatus, StateEffect } from './run.machine.js';

/** What the world is asked to do next, as data. `id` is stable: the same state asks for the same ids. */
export type Effect =
  | { readonly id: string; readonly kind: 'plan' | 'validate' | 'conclude' | 'pause' | 'cancel' }
  | { readonly id: string; readonly kind: StepEffectKind; readonly stepId: string; readonly attempt: number }
  | {
      readonly id: string;
      readonly kind: 'timer';
      readonly dueAt: string;
      /** So long that nobody should hold the run for it. */
      readonly durable: boolean;
    };
export type TimerEffect = Extract<Effect, { kind: 'timer' }>;
export type StepEffectKind =
  'intend' | 'expand' | 'execute' | 'verify' | 'ask-approval' | 'note-doubt' | 'reconcile';

interface RunSnapshot {
  readonly context: RunContext;
  getMeta(): Record<string, { status: RunStatus; effect?: StateEffect } | undefined>;
}

/** Effects that begin only when nothing else of the run is in flight. */
export const waitsForQuiet = (effect: Effect): boolean =>
  effect.kind === 'pause' || effect.kind === 'cancel' || effect.kind === 'conclude';

/** The effects of a state: a pure function of the snapshot, and therefore worked out once for each. */
export function effectsOf(snapshot: RunSnapshot): readonly Effect[] {
  const known = effectsKnown.get(snapshot);
  if (known) return known;
  const effects = workOutEffects(snapshot);
  effectsKnown.set(snapshot, effects);
  return effects;
}
const effectsKnown = new WeakMap<RunSnapshot, readonly Effect[]>();

function workOutEffects(snapshot: RunSnapshot): readonly Effect[] {
  const { status, effect } = metaOf(snapshot);
  if (status === 'queued') return startOf(snapshot.context);
  if (effect === undefined) return [];
  if (effect === 'steps') return [...stepEffects(snapshot.context), ...deadlineOf(snapshot.context)];
  if (effect === 'cancel') return [{ id: 'cancel', kind: 'cancel' }];
  const round = effect === 'plan' ? snapshot.context.planRound : 1;
  const alone = { id: `${effect}:${round}`, kind: effect } as const;
  if (effect === 'pause' || effect === 'conclude') return [...unsafeInFlight(snapshot.context), alone];
  return [alone, ...deadlineOf(snapshot.context)];
}

/** A run at rest asks nothing of the world but to be woken at a time, and needs no owner. */
export const isResting = (snapshot: RunSnapshot): boolean =>
  effectsOf(snapshot).every((effect) => effect.kind === 'timer' && effect.durable);

/** What a run at rest wants to hear. */
export const timersOf = (snapshot: RunSnapshot): TimerEffect[] =>
  effectsOf(snapshot).filter((effect) => effect.kind === 'timer');

export function statusOf(snapshot: RunSnapshot): RunStatus {
  const { status, effect } = metaOf(snapshot);
  const waitsForPerson = effect === 'steps' && !asksOfSteps(snapshot);
  return waitsForPerson ? 'awaiting-approval' : status;
}

function metaOf(snapshot: RunSnapshot): { status: RunStatus; effect?: StateEffect } {
  const meta = Object.values(snapshot.getMeta()).find((candidate) => candidate !== undefined);
  if (!meta) throw new RangeError('a state of the run machine has no meta');
  return meta;
}

const asksOfSteps = (snapshot: RunSnapshot): boolean =>
  effectsOf(snapshot).some((effect) => !effect.id.startsWith('deadline:'));

const stepEffects = (context: RunContext): Effect[] =>
  context.steps.flatMap((step) => effectOfStep(context, step));

/** An act that must not be cut off half-way goes on while a run pauses or concludes. */
const unsafeInFlight = (context: RunContext): Effect[] =>
  context.steps
    .filter((step) => step.state === 'running' && step.intent)
    .map((step) => stepEffect('execute', step));

function effectOfStep(context: RunContext, step: StepRecord): Effect[] {
  switch (step.state) {
    case 'running':
      return [stepEffect(actOf(context, step), step)];
    case 'verifying':
      return [stepEffect('verify', step)];
    case 'inDoubt':
      return [stepEffect('note-doubt', step)];
    case 'reconciling':
      return [stepEffect('reconcile', step)];
    case 'awaitingApproval':
      return step.argumentHash === undefined ? [stepEffect('ask-approval', step)] : [];
    case 'backoff':
      return [
        {
          id: `timer:${step.id}:${step.attempt}`,
          kind: 'timer',
          dueAt: step.retryAt!,
          durable: step.longWait ?? false,
        },
      ];
    default:
      return [];
  }
}

function actOf(context: RunContext, step: StepRecord): StepEffectKind {
  const planStep = planStepOf(context, step);
  if (planStep.forEach !== undefined && step.item === undefined) return 'expand';
  return step.intent || isSafeToRepeat(planStep) || context.dryRun ? 'execute' : 'intend';
}

const stepEffect = (kind: StepEffectKind, step: StepRecord): Effect => ({
  id: `${kind}:${step.id}:${step.attempt}`,
  kind,
  stepId: step.id,
  attempt: step.attempt,
});

/** Named by its limit: a limit that is raised is another deadline. */
export const deadlineTimer = (maxDurationMs: number | undefined): string => `deadline:${maxDurationMs}`;

export const START_TIMER = 'start';

/** A scheduled run waits for its time, however near: it has no owner yet. */
const startOf = ({ startAt }: RunContext): Effect[] =>
  startAt === null ? [] : [{ id: START_TIMER, kind: 'timer', dueAt: startAt, durable: true }];

function deadlineOf(context: RunContext): Effect[] {
  const { maxDurationMs } = context.limits;
  if (maxDurationMs === undefined || context.startedAt === null) return [];
  const dueAt = new Date(Date.parse(context.startedAt) + context.pausedMs + maxDurationMs).toISOString();
  return [{ id: deadlineTimer(maxDurationMs), kind: 'timer', dueAt, durable: maxDurationMs >= LONG_WAIT_MS }];
}
