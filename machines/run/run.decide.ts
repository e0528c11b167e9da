import type { NewEvent, RunEvent } from '#events/catalog.js';
import type { CommandName, ControlCommand, PersonCommand } from '#events/run.commands.js';
import type { Limits } from '#events/mission.js';
import type { PlanStep } from '#events/plan.js';
import type { Artifact, Failure, Usage } from '#events/shapes.js';
import type { SnapshotFrom } from 'xstate';
import { inOrder } from './run.commands.js';
import { accepts, tryEvolve } from '../kernel/kernel.js';
import { changesDriver, delayBefore, driverOfAttempt, mostAttempts } from '../step/attempts.js';
import { isFinished, type StepRecord } from '../step/move-step.js';
import { isSafeToRepeat } from '../step/safety.js';
import { maxParallelOf, maxStepsOf, planStepOf, stepById, type RunContext } from './run.context.js';
import { isResting, START_TIMER, statusOf } from './run.effects.js';
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
      readonly usage?: Usage | undefined;
      /** The driver knows that it changed nothing: an unsafe step may be begun again. */
      readonly untouched?: boolean | undefined;
    };
/** A durable timer has come due. */
export interface FireTimer {
  readonly kind: 'FireTimer';
  readonly timer: string;
}
export type RunCommand = PersonCommand | OwnerCommand | FireTimer;

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
  if (!event) return refuse(snapshot, command, now);
  return accepts(snapshot, placed(event, now)) ? event : refuse(snapshot, command, now);
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
  return (event && advance(snapshot, event, place)) ?? refuse(snapshot, command, place.time);
}

/** The transition an event makes, if it makes one, with the steps it dispatches named in the event itself. */
export function advance(snapshot: RunSnapshot, event: NewEvent, place: Place): Transition | undefined {
  const placedEvent = { ...event, ...place } as RunEvent;
  const next = tryEvolve(runMachine, snapshot, placedEvent);
  if (!next) return undefined;
  const told = { ...tellKept(event, next), ...tellNext(event, snapshot, next) };
  if (Object.keys(told).length === 0) return { event: placedEvent, snapshot: next };
  return { event: { ...placedEvent, data: { ...event.data, ...told } } as RunEvent, snapshot: next };
}

/** Steps of another plan begin anew, also those whose names were in the one before. */
function tellNext({ type }: NewEvent, before: RunSnapshot, after: RunSnapshot): { next?: string[] } {
  const known = type === 'plan.proposed' ? { index: {}, steps: [] } : before.context;
  const next = dispatchedBy(known, after);
  return next.length > 0 ? { next } : {};
}

function tellKept({ type }: NewEvent, { context }: RunSnapshot): { kept?: string[] } {
  if (type !== 'plan.proposed') return {};
  const kept = context.steps.filter(isFinished).map((step) => step.id);
  return kept.length > 0 ? { kept } : {};
}

/** The commands a person may give in this state, at a time: a lease on the controls ends by its own. */
export function legalCommands(snapshot: RunSnapshot, now: string): CommandName[] {
  const { context } = snapshot;
  const samples: [CommandName, PersonCommand][] = [
    ['pause', { kind: 'PauseRun' }],
    ['resume', { kind: 'ResumeRun' }],
    ['cancel', { kind: 'CancelRun' }],
    ['approve', { kind: 'Approve', stepId: askedStep(snapshot)?.id }],
    ['reject', { kind: 'Reject', stepId: askedStep(snapshot)?.id }],
    ['takeover', { kind: 'TakeControl', lease: 'any', holder: 'anybody', expiresAt: now }],
    ['handback', { kind: 'HandBack', lease: context.control?.lease ?? '' }],
    ['budget', { kind: 'RaiseBudget', limits: { maxSteps: maxStepsOf(context) + 1 } }],
    ...context.steps.map((step): [CommandName, PersonCommand] => [
      'settle',
      { kind: 'SettleDoubt', stepId: step.id, outcome: 'confirmed' },
    ]),
    ...context.steps.map((step): [CommandName, PersonCommand] => [
      'skip',
      { kind: 'SkipStep', stepId: step.id },
    ]),
  ];
  const accepted = samples.flatMap(([name, command]) => {
    const event = eventFor(snapshot, command, now);
    return event && accepts(snapshot, placed(event, now)) ? [name] : [];
  });
  // A run at work is paused first; then the controls change hands.
  if (snapshot.matches('active')) accepted.push('takeover');
  const deriving: CommandName[] = snapshot.status === 'done' ? ['retry', 'fork'] : ['fork'];
  return inOrder([...accepted, ...deriving]);
}

function eventFor(snapshot: RunSnapshot, command: RunCommand, now: string): NewEvent | undefined {
  switch (command.kind) {
    case 'Record':
      return command.event;
    case 'ReportFailure':
      return failedOrRetried(snapshot, command, now);
    case 'FireTimer':
      return firedOrMissed(snapshot, command, now);
    case 'PauseRun':
    case 'CancelRun':
      return stopEvent(snapshot, command, now);
    case 'ResumeRun':
      return resumption(command);
    case 'Approve':
      return approvalOf(snapshot, command);
    case 'Reject':
      return rejectionOf(command);
    default:
      return eventOfPerson(snapshot, command);
  }
}

/** How late a start may be and still be on time. In milliseconds. */
const ON_TIME_MS = 60_000;

/** A start that nobody was there for is made good, or (the mission says so) left out. */
function firedOrMissed({ context }: RunSnapshot, { timer }: FireTimer, now: string): NewEvent {
  const { startAt, mission } = context;
  const lateMs = timer === START_TIMER && startAt !== null ? Date.parse(now) - Date.parse(startAt) : 0;
  if (lateMs <= ON_TIME_MS || mission.schedule?.missed !== 'skip')
    return { type: 'timer.fired', data: { timer } };
  const reason = `its start at ${startAt} was missed`;
  return { type: 'run.cancelled', data: { interrupted: [], missed: true, reason } };
}

/** A person says what nobody else could tell: whether the step took effect. */
function settlementOf(
  snapshot: RunSnapshot,
  { stepId, outcome }: Extract<PersonCommand, { kind: 'SettleDoubt' }>,
): NewEvent | undefined {
  const step = stepById(snapshot.context, stepId);
  if (step?.state !== 'inQuestion') return undefined;
  return { type: 'step.reconciled', data: { stepId, attempt: step.attempt, outcome } };
}

type Rest = Exclude<PersonCommand, { kind: 'PauseRun' | 'CancelRun' | 'ResumeRun' | 'Approve' | 'Reject' }>;

function eventOfPerson(snapshot: RunSnapshot, command: Rest): NewEvent | undefined {
  switch (command.kind) {
    case 'SkipStep':
      return { type: 'step.skipped', data: { stepId: command.stepId, reason: command.reason } };
    case 'RaiseBudget':
      return raises(snapshot.context, command.limits)
        ? { type: 'budget.raised', data: { limits: command.limits } }
        : undefined;
    case 'SettleDoubt':
      return settlementOf(snapshot, command);
    default:
      return controlEvent(snapshot.context, command);
  }
}

const resumption = ({ note, replan }: Extract<PersonCommand, { kind: 'ResumeRun' }>): NewEvent => ({
  type: 'run.resumed',
  data: { note, ...(replan === true && { replan: true as const }) },
});

const rejectionOf = ({ stepId, reason }: Extract<PersonCommand, { kind: 'Reject' }>): NewEvent =>
  stepId === undefined
    ? { type: 'plan.rejected', data: { reason } }
    : { type: 'step.rejected', data: { stepId, reason } };

/** A run at rest pauses or is cancelled at once; one at work is asked to, and says when nothing moves any more. */
function stopEvent(
  snapshot: RunSnapshot,
  { kind, reason }: Extract<PersonCommand, { kind: 'PauseRun' | 'CancelRun' }>,
  now: string,
): NewEvent {
  const resting = isResting(snapshot);
  if (kind === 'PauseRun') {
    return resting
      ? { type: 'run.paused', data: pausedAt(now, snapshot.context, reason) }
      : { type: 'run.pause-requested', data: { reason } };
  }
  return resting
    ? { type: 'run.cancelled', data: { interrupted: [], reason } }
    : { type: 'run.cancel-requested', data: { reason } };
}

function controlEvent({ controlEpoch }: RunContext, command: ControlCommand): NewEvent {
  const { kind, ...data } = command;
  switch (kind) {
    case 'TakeControl':
      return { type: 'control.taken', data: { ...data, epoch: controlEpoch + 1 } } as NewEvent;
    case 'RenewControl':
      return { type: 'control.renewed', data } as NewEvent;
    case 'ExpireControl':
      return { type: 'control.released', data: { ...data, how: 'expired' } } as NewEvent;
    case 'HandBack': {
      const { replan, ...rest } = data as Extract<ControlCommand, { kind: 'HandBack' }>;
      const more = replan === true && { replan: true as const };
      return { type: 'control.released', data: { ...rest, ...more, how: 'handback' } };
    }
  }
}

const pausedAt = (quiescedAt: string, { lastEffect }: RunContext, reason: string | undefined) => ({
  quiescedAt,
  interrupted: [],
  ...(lastEffect !== null && { lastEffect }),
  cause: 'person' as const,
  reason,
});

/** A budget is raised or not touched: what is not there, or would sink, is no raise. */
function raises(context: RunContext, limits: Limits): boolean {
  const now: Limits = {
    ...context.limits,
    maxSteps: maxStepsOf(context),
    maxParallel: maxParallelOf(context),
  };
  const given = Object.entries(limits) as [keyof Limits, number | undefined][];
  return (
    given.length > 0 && given.every(([name, limit]) => limit !== undefined && limit > (now[name] ?? Infinity))
  );
}

function approvalOf(
  snapshot: RunSnapshot,
  command: Extract<PersonCommand, { kind: 'Approve' }>,
): NewEvent | undefined {
  if (command.stepId === undefined) return { type: 'plan.approved', data: { note: command.note } };
  const argumentHash = stepById(snapshot.context, command.stepId)?.argumentHash;
  if (argumentHash === undefined || argumentHash !== (command.argumentHash ?? argumentHash)) return undefined;
  return { type: 'step.approved', data: { stepId: command.stepId, argumentHash, note: command.note } };
}

/** A failed attempt becomes the next attempt while the step's `retry` allows it, and a failed step otherwise. */
function failedOrRetried(
  snapshot: RunSnapshot,
  command: Extract<OwnerCommand, { kind: 'ReportFailure' }>,
  now: string,
): NewEvent {
  const { stepId, attempt, failure } = command;
  const step = stepById(snapshot.context, stepId);
  const planStep = step && planStepOf(snapshot.context, step);
  const driver = planStep && driverOfAttempt(planStep, attempt);
  const more = {
    ...(command.artifacts.length > 0 && { artifacts: [...command.artifacts] }),
    ...(driver !== undefined && { driver }),
    ...(command.usage && { usage: command.usage }),
  };
  if (!step || !planStep || !mayRetry(planStep, step, command))
    return { type: 'step.failed', data: { stepId, attempt, failure, ...more } };
  const retryAt = new Date(Date.parse(now) + delayBefore(planStep, attempt)).toISOString();
  return { type: 'step.retried', data: { stepId, attempt: attempt + 1, failure, retryAt, ...more } };
}

/** What comes out the same every time, whoever tries; a model's failure may be another driver's success. */
const FINAL: ReadonlySet<Failure['kind']> = new Set(['input', 'policy', 'model', 'human']);
const FINAL_FOR_ALL: ReadonlySet<Failure['kind']> = new Set(['policy', 'budget', 'human']);

/**
 * Input, policy and model failures come out the same every time; an act that began and is unsafe is never begun again,
 * unless its driver knows that it changed nothing; and a step that could not even ask for its approval made no attempt.
 */
function mayRetry(
  planStep: PlanStep,
  step: StepRecord,
  { failure, untouched }: Extract<OwnerCommand, { kind: 'ReportFailure' }>,
): boolean {
  const final = changesDriver(planStep, step.attempt) ? FINAL_FOR_ALL : FINAL;
  const begun = step.intent || step.state === 'verifying';
  const acted = begun && !isSafeToRepeat(planStep) && untouched !== true;
  return (
    !final.has(failure.kind) &&
    !acted &&
    step.state !== 'awaitingApproval' &&
    step.attempt < mostAttempts(planStep)
  );
}

const askedStep = (snapshot: RunSnapshot): StepRecord | undefined =>
  snapshot.context.steps.find((step) => step.state === 'awaitingApproval' && step.argumentHash !== undefined);

const DISPATCHED: ReadonlySet<string> = new Set(['running', 'awaitingApproval']);

/** Steps that came into the hands of the world by this transition. */
function dispatchedBy({ index, steps }: Pick<RunContext, 'index' | 'steps'>, after: RunSnapshot): string[] {
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

function refuse(snapshot: RunSnapshot, command: RunCommand, now: string): Refusal {
  const state = statusOf(snapshot);
  const legal = legalCommands(snapshot, now);
  const can = legal.length > 0 ? `legal now: ${legal.join(', ')}` : 'no command is legal any more';
  return {
    refused: 'illegal-command',
    message: `${command.kind} is not legal while the run is ${state}; ${can}`,
    state,
    legal,
  };
}
