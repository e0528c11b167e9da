import type { NewEvent, RunEvent } from '#events/catalog.js';
import type { CommandName, PersonCommand } from '#events/run.commands.js';
import type { Artifact, Failure } from '#events/shapes.js';
import type { SnapshotFrom } from 'xstate';
import { accepts, tryEvolve } from '../kernel/kernel.js';
import type { StepRecord } from '../step/move-step.js';
import { isSafeToRepeat } from '../step/safety.js';
import { planStepOf, stepById } from './run.context.js';
import { isResting, statusOf } from './run.effects.js';
import { runMachine, type RunMachine, type RunStatus } from './run.machine.js';

export type RunSnapshot = SnapshotFrom<RunMachine>;

/** What an owner reports of its own effects: an event as it is, or a failed attempt, which may mean another one. */
export type OwnerCommand =
  | { readonly kind: 'Record'; readonly event: NewEvent }
  | {
      readonly kind: 'ReportFailure';
      readonly stepId: string;
      readonly attempt: number;
      readonly failure: Failure;
      readonly artifacts: readonly Artifact[];
    };
export type RunCommand = PersonCommand | OwnerCommand;

/** A command that is not legal now, as a value. */
export interface Refusal {
  readonly refused: string;
  readonly message: string;
  readonly state: RunStatus;
  readonly legal: readonly CommandName[];
}
export const isRefusal = (decision: object): decision is Refusal => 'refused' in decision;

/** `(snapshot, command, now) → event or Refusal`, pure. `now` is RFC 3339. */
export function decide(snapshot: RunSnapshot, command: RunCommand, now: string): NewEvent | Refusal {
  const event = eventFor(snapshot, command, now);
  if (!event) return refuse(snapshot, command);
  return accepts(snapshot, placed(event, now)) ? event : refuse(snapshot, command);
}

/** Where an event gets its place in a history. */
export interface Place {
  readonly rev: number;
  readonly time: string;
  readonly actor: string;
}

export interface Transition {
  readonly event: RunEvent;
  readonly snapshot: RunSnapshot;
}

/** Decides and takes the transition in one go: what an owner does for every event. */
export function handle(snapshot: RunSnapshot, command: RunCommand, place: Place): Transition | Refusal {
  const event = eventFor(snapshot, command, place.time);
  return (event && advance(snapshot, event, place)) ?? refuse(snapshot, command);
}

/** The transition an event makes, if it makes one, with the steps it dispatches named in the event itself. */
export function advance(snapshot: RunSnapshot, event: NewEvent, place: Place): Transition | undefined {
  const placedEvent = { ...event, ...place } as RunEvent;
  const next = tryEvolve(runMachine, snapshot, placedEvent);
  if (!next) return undefined;
  const dispatched = dispatchedBy(snapshot, next);
  if (dispatched.length === 0) return { event: placedEvent, snapshot: next };
  return { event: { ...placedEvent, data: { ...event.data, next: dispatched } } as RunEvent, snapshot: next };
}

/** The commands a person may give in this state. */
export function legalCommands(snapshot: RunSnapshot): CommandName[] {
  const now = '1970-01-01T00:00:00.000Z';
  const samples: [CommandName, PersonCommand][] = [
    ['pause', { kind: 'PauseRun' }],
    ['resume', { kind: 'ResumeRun' }],
    ['cancel', { kind: 'CancelRun' }],
    ['approve', { kind: 'Approve', stepId: askedStep(snapshot)?.id }],
    ['reject', { kind: 'Reject', stepId: askedStep(snapshot)?.id }],
  ];
  return samples.flatMap(([name, command]) => {
    const event = eventFor(snapshot, command, now);
    return event && accepts(snapshot, placed(event, now)) ? [name] : [];
  });
}

function eventFor(snapshot: RunSnapshot, command: RunCommand, now: string): NewEvent | undefined {
  switch (command.kind) {
    case 'Record':
      return command.event;
    case 'ReportFailure':
      return failedOrRetried(snapshot, command, now);
    case 'PauseRun':
      return isResting(snapshot)
        ? { type: 'run.paused', data: { quiescedAt: now, interrupted: [], reason: command.reason } }
        : { type: 'run.pause-requested', data: { reason: command.reason } };
    case 'ResumeRun':
      return { type: 'run.resumed', data: { note: command.note } };
    case 'CancelRun':
      return isResting(snapshot)
        ? { type: 'run.cancelled', data: { interrupted: [], reason: command.reason } }
        : { type: 'run.cancel-requested', data: { reason: command.reason } };
    case 'Approve':
      return approvalOf(snapshot, command);
    case 'Reject':
      return command.stepId === undefined
        ? { type: 'plan.rejected', data: { reason: command.reason } }
        : { type: 'step.rejected', data: { stepId: command.stepId, reason: command.reason } };
  }
}

function approvalOf(
  snapshot: RunSnapshot,
  command: Extract<PersonCommand, { kind: 'Approve' }>,
): NewEvent | undefined {
  if (command.stepId === undefined) return { type: 'plan.approved', data: { note: command.note } };
  const argumentHash = stepById(snapshot.context, command.stepId)?.argumentHash;
  if (argumentHash === undefined) return undefined;
  return { type: 'step.approved', data: { stepId: command.stepId, argumentHash, note: command.note } };
}

/** A failed attempt becomes the next attempt while the step's `retry` allows it, and a failed step otherwise. */
function failedOrRetried(
  snapshot: RunSnapshot,
  command: Extract<OwnerCommand, { kind: 'ReportFailure' }>,
  now: string,
): NewEvent {
  const { stepId, attempt, failure } = command;
  const artifacts = command.artifacts.length > 0 ? { artifacts: [...command.artifacts] } : {};
  const step = stepById(snapshot.context, stepId);
  if (!step || !mayRetry(snapshot, step, failure)) {
    return { type: 'step.failed', data: { stepId, attempt, failure, ...artifacts } };
  }
  const delayMs = backoffMs(planStepOf(snapshot.context, step).retry!.backoffMs, attempt);
  const retryAt = new Date(Date.parse(now) + delayMs).toISOString();
  return { type: 'step.retried', data: { stepId, attempt: attempt + 1, failure, retryAt, ...artifacts } };
}

/**
 * Input, policy and model failures come out the same every time; an act that began and is unsafe is never begun again;
 * and a step that could not even ask for its approval made no attempt.
 */
function mayRetry(snapshot: RunSnapshot, step: StepRecord, failure: Failure): boolean {
  const planStep = planStepOf(snapshot.context, step);
  const final = failure.kind === 'input' || failure.kind === 'policy' || failure.kind === 'model';
  const acted = !isSafeToRepeat(planStep) && (step.intent || step.state === 'verifying');
  return !final && !acted && step.state !== 'awaitingApproval' && step.attempt <= (planStep.retry?.max ?? 0);
}

const MAX_BACKOFF_MS = 86_400_000;
const backoffMs = (firstMs: number, attempt: number): number =>
  Math.min(firstMs * 2 ** (attempt - 1), MAX_BACKOFF_MS);

const askedStep = (snapshot: RunSnapshot): StepRecord | undefined =>
  snapshot.context.steps.find((step) => step.state === 'awaitingApproval' && step.argumentHash !== undefined);

const DISPATCHED: ReadonlySet<string> = new Set(['running', 'awaitingApproval']);

/** Steps that came into the hands of the world by this transition. */
function dispatchedBy(before: RunSnapshot, after: RunSnapshot): string[] {
  const { index, steps } = before.context;
  return after.context.steps
    .filter((step) => {
      if (!DISPATCHED.has(step.state)) return false;
      const position = index[step.id];
      const old = position === undefined ? undefined : steps[position];
      return old?.state !== step.state;
    })
    .map((step) => step.id);
}

/** An event that is only asked about needs a place to be typed, and any will do. */
const placed = (event: NewEvent, time: string): RunEvent => ({ ...event, rev: 0, time, actor: 'nobody' });

function refuse(snapshot: RunSnapshot, command: RunCommand): Refusal {
  const state = statusOf(snapshot);
  const legal = legalCommands(snapshot);
  const can = legal.length > 0 ? `legal now: ${legal.join(', ')}` : 'no command is legal any more';
  return {
    refused: 'illegal-command',
    message: `${command.kind} is not legal while the run is ${state}; ${can}`,
    state,
    legal,
  };
}
