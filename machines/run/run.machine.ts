import { assign, setup } from 'xstate';
import type { RunEvent } from '#events/catalog.js';
import type { Usage } from '#events/shapes.js';
import { moveStep, waitingStep, type StepRecord } from '../step/move-step.js';
import type { StepInput } from '../step/step.machine.js';
import {
  bornContext,
  maxStepsOf,
  stepById,
  carriedInto,
  controlAt,
  withChildren,
  withPlan,
  type RunContext,
  type RunInput,
} from './run.context.js';
import { SKIPPABLE, SKIPPABLE_AT_REST } from './run.commands.js';
import { deadlineTimer, START_TIMER } from './run.effects.js';
import { allFinished, failureOfRun, replaceStep, schedule } from './run.schedule.js';

/** The step an event moves, after the move; `undefined` when the step machine does not accept it. */
function movedStep(context: RunContext, event: RunEvent): StepRecord | undefined {
  const known = lastMove.get(event);
  if (known?.context === context) return known.moved;
  const moved = moveTarget(context, event);
  lastMove.set(event, { context, moved });
  return moved;
}

/** A guard asks for the move that its action then makes: one transition of the step machine serves both. */
const lastMove = new WeakMap<RunEvent, { context: RunContext; moved: StepRecord | undefined }>();

function moveTarget(context: RunContext, event: RunEvent): StepRecord | undefined {
  const target = stepTarget(event);
  const step = target && stepById(context, target.id);
  return step && moveStep(step, target.input);
}

/** Which step an event is about: `step.*` by its id, `timer.fired` by the timer `timer:<step>:<attempt>`. */
function stepTarget(event: RunEvent): { id: string; input: StepInput } | undefined {
  if ('stepId' in event.data && event.data.stepId !== undefined)
    return { id: event.data.stepId, input: event as StepInput };
  if (event.type !== 'timer.fired') return undefined;
  const [, id, attempt] = /^timer:([^:]+):(\d+)$/.exec(event.data.timer) ?? [];
  return id === undefined ? undefined : { id, input: { type: 'begin-attempt', attempt: Number(attempt) } };
}

/** A plan that was given is the person's own: nobody here makes another. */
const mayResume = (context: RunContext, event: RunEvent): boolean =>
  context.exhausted === null &&
  (event.type === 'run.resumed' ? controlAt(context, event.time) === null : handsBack(context, event)) &&
  (event.type === 'run.resumed' || event.type === 'control.released') &&
  (event.data.replan !== true || (context.given === null && context.startedAt !== null));

const handsBack = (context: RunContext, event: RunEvent): boolean =>
  event.type === 'control.released' && event.data.how === 'handback' && holdsLease(context, event);

const holdsLease = (context: RunContext, event: RunEvent): boolean =>
  'lease' in event.data && controlAt(context, event.time)?.lease === event.data.lease;

/** A step that nobody has been asked about yet counts as running: that is what the world is told of it. */
function stepStateIn(context: RunContext, event: RunEvent, states: ReadonlySet<string>): boolean {
  if (!('stepId' in event.data) || event.data.stepId === undefined) return false;
  const step = stepById(context, event.data.stepId);
  if (!step) return false;
  const unasked = step.state === 'awaitingApproval' && step.argumentHash === undefined;
  return states.has(unasked ? 'running' : step.state);
}

/** The effect whose end an event tells. */
function effectEndedBy(context: RunContext, event: RunEvent): string | undefined {
  if (!('stepId' in event.data) || event.data.stepId === undefined || !('attempt' in event.data))
    return undefined;
  const step = stepById(context, event.data.stepId);
  const kind = step && ENDING[step.state];
  return kind && `${kind}:${step.id}:${step.attempt}`;
}
const ENDING: Readonly<Record<string, string>> = {
  running: 'execute',
  verifying: 'verify',
  reconciling: 'reconcile',
};

function spentAfter({ spent }: RunContext, event: RunEvent): Usage {
  const usage = 'usage' in event.data ? event.data.usage : undefined;
  if (!usage) return spent;
  return { tokens: spent.tokens + usage.tokens, costUsd: spent.costUsd + usage.costUsd };
}

const runSetup = setup({
  types: {
    context: {} as RunContext,
    events: {} as RunEvent,
    input: {} as RunInput,
    meta: {} as { status: RunStatus; effect?: StateEffect },
  },
  guards: {
    planGiven: ({ context }) => context.given !== null,
    resumesQueued: ({ context, event }) => mayResume(context, event) && context.startedAt === null,
    resumesPlanning: ({ context, event }) =>
      mayResume(context, event) && 'replan' in event.data && event.data.replan === true,
    resumes: ({ context, event }) => mayResume(context, event),
    nextEpoch: ({ context, event }) =>
      (event.type === 'run.started' || event.type === 'run.recovered') &&
      event.data.epoch === context.epoch + 1,
    begins: ({ context, event }) =>
      context.startAt === null && event.type === 'run.started' && event.data.epoch === context.epoch + 1,
    isStart: ({ context, event }) =>
      context.startAt !== null && event.type === 'timer.fired' && event.data.timer === START_TIMER,
    givenPlanWantsApproval: ({ context }) => context.given !== null && context.mission.approval === 'plan',
    wantsPlanApproval: ({ context }) => context.mission.approval === 'plan',
    stepAccepts: ({ context, event }) => movedStep(context, event) !== undefined,
    expansionFits: ({ context, event }) =>
      event.type === 'step.expanded' &&
      movedStep(context, event) !== undefined &&
      context.steps.length + event.data.count <= maxStepsOf(context),
    isDeadline: ({ context, event }) =>
      event.type === 'timer.fired' && event.data.timer === deadlineTimer(context.limits.maxDurationMs),
    controlFree: ({ context, event }) =>
      event.type === 'control.taken' &&
      controlAt(context, event.time) === null &&
      event.data.epoch === context.controlEpoch + 1,
    holdsLease: ({ context, event }) => holdsLease(context, event),
    leaseRanOut: ({ context, event }) =>
      event.type === 'control.released' &&
      event.data.how === 'expired' &&
      context.control?.lease === event.data.lease &&
      controlAt(context, event.time) === null,
    skippable: ({ context, event }) => stepStateIn(context, event, SKIPPABLE),
    skippableAtRest: ({ context, event }) => stepStateIn(context, event, SKIPPABLE_AT_REST),
    willFail: ({ context }) => context.failure !== null,
    allFinished: ({ context }) => allFinished(context),
    nothingToCheck: ({ context }) => (context.plan?.success ?? []).length === 0,
    passed: ({ context }) => context.failure === null && context.checksPassed > 0,
    provesSomething: ({ event }) => event.type === 'validation.passed' && event.data.evidence.length > 0,
  },
  actions: {
    release: assign({ startAt: null }),
    releaseIfMissed: assign(({ context, event }) =>
      event.type === 'run.cancelled' && event.data.missed ? { startAt: null } : { startAt: context.startAt },
    ),
    takeOwnership: assign(({ context, event }) =>
      event.type === 'run.started' || event.type === 'run.recovered'
        ? { worker: event.data.worker, epoch: event.data.epoch, startedAt: context.startedAt ?? event.time }
        : {},
    ),
    usePlanOfMission: assign(({ context }) =>
      context.given ? withPlan(context.given, context.carried) : {},
    ),
    useProposedPlan: assign(({ context, event }) =>
      event.type === 'plan.proposed' ? withPlan(event.data.plan, carriedInto(event.data.plan, context)) : {},
    ),
    planAgain: assign(({ context }) => ({ planRound: context.planRound + 1 })),
    applyStep: assign(({ context, event }) => {
      const moved = movedStep(context, event);
      if (!moved) return {};
      const failure = moved.state === 'failed' ? failureOfRun(context, moved) : null;
      return {
        ...replaceStep(context, moved),
        failure: context.failure ?? failure,
        lastEffect: effectEndedBy(context, event) ?? context.lastEffect,
        spent: spentAfter(context, event),
      };
    }),
    addChildren: assign(({ context, event }) => {
      if (event.type !== 'step.expanded') return {};
      const { stepId, count } = event.data;
      const asksForEach = context.plan?.steps[stepById(context, stepId)!.plan]?.approval === 'each';
      const plan = stepById(context, stepId)!.plan;
      const children = Array.from({ length: count }, (_, item) =>
        waitingStep({ id: `${stepId}.${item}`, plan, item, approved: !asksForEach }),
      );
      return withChildren(context, children);
    }),
    schedule: assign(({ context }) => schedule(context)),
    // In older logs an owner that had been frozen claimed its run anew and said so: what it had in hand is not in doubt.
    doubtInterrupted: assign(({ context, event }) =>
      event.type === 'run.recovered' && event.data.continued === true
        ? {}
        : { steps: context.steps.map((step) => moveStep(step, { type: 'recover' }) ?? step) },
    ),
    keepFailure: assign(({ event }) =>
      event.type === 'plan.failed' || event.type === 'validation.failed' || event.type === 'run.failed'
        ? { failure: event.data.failure }
        : {},
    ),
    failByRejection: assign(({ event }) => ({
      failure: {
        kind: 'human' as const,
        code: 'plan-rejected',
        message:
          event.type === 'plan.rejected' && event.data.reason
            ? `a person rejected the plan: ${event.data.reason}`
            : 'a person rejected the plan',
        hint: 'submit the mission again with what should be different',
      },
    })),
    exhaustDuration: assign({ exhausted: 'maxDurationMs', reason: 'limits.maxDurationMs is used up' }),
    keepExhausted: assign(({ context, event }) => {
      if (event.type !== 'budget.exhausted') return {};
      const stopped = movedStep(context, event);
      return {
        ...(stopped && replaceStep(context, stopped)),
        exhausted: event.data.budget,
        reason: `limits.${event.data.budget} is used up`,
        spent: spentAfter(context, event),
      };
    }),
    raiseLimits: assign(({ context, event }) => {
      if (event.type !== 'budget.raised') return {};
      const raised = context.exhausted !== null && event.data.limits[context.exhausted] !== undefined;
      return {
        limits: { ...context.limits, ...event.data.limits },
        exhausted: raised ? null : context.exhausted,
      };
    }),
    keepChecks: assign(({ event }) =>
      event.type === 'validation.passed' ? { checksPassed: event.data.evidence.length } : {},
    ),
    stopClock: assign(({ event }) => ({ pausedAt: event.time })),
    startClock: assign(({ context, event }) => {
      const pausedMs =
        context.startedAt === null ? 0 : Date.parse(event.time) - Date.parse(context.pausedAt!);
      return { pausedAt: null, pausedMs: context.pausedMs + pausedMs };
    }),
    // A reason nobody gave is `undefined` before an event is stored and missing afterwards: both are no reason.
    keepReason: assign(({ event }) => ({
      reason: ('reason' in event.data ? event.data.reason : null) ?? null,
    })),
    keepControl: assign(({ event }) => {
      if (event.type !== 'control.taken') return {};
      const { lease, holder, epoch, expiresAt } = event.data;
      return { control: { lease, holder, epoch, expiresAt }, controlEpoch: epoch };
    }),
    renewControl: assign(({ context, event }) =>
      event.type === 'control.renewed' && context.control
        ? { control: { ...context.control, expiresAt: event.data.expiresAt } }
        : {},
    ),
    countAct: assign(({ context }) => ({ acts: context.acts + 1 })),
    freeControl: assign({ control: null }),
    keepNote: assign(({ context, event }) =>
      event.type === 'run.resumed' || event.type === 'control.released'
        ? { reason: null, notes: event.data.note ? [...context.notes, event.data.note] : context.notes }
        : {},
    ),
  },
});

/** What `GET /runs/:id` calls the state of a run. */
export const RUN_STATUSES = [
  'queued',
  'planning',
  'awaiting-approval',
  'executing',
  'validating',
  'pausing',
  'paused',
  'cancelling',
  'succeeded',
  'failed',
  'cancelled',
] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];
export type StateEffect = 'plan' | 'steps' | 'validate' | 'conclude' | 'pause' | 'cancel';

/** A limit that is used up pauses a run and never ends it: a person may raise it. */
const deadline = { guard: 'isDeadline', target: '#run.pausing', actions: 'exhaustDuration' } as const;
const exhausted = { target: '#run.pausing', actions: 'keepExhausted' } as const;
const goOn = ['keepNote', 'freeControl'] as const;
const resumption = [
  { guard: 'resumesQueued', target: 'queued', actions: goOn },
  { guard: 'resumesPlanning', target: 'active.planning', actions: [...goOn, 'planAgain'] },
  { guard: 'resumes', target: 'active.hist', actions: goOn },
] as const;
const outcome = { guard: 'stepAccepts', actions: ['applyStep', 'schedule'] } as const;
/** While nothing may start: an outcome that still arrives is kept, and dispatches nothing. */
const lateOutcome = { guard: 'stepAccepts', actions: 'applyStep' } as const;
const lateOutcomes = {
  'step.performed': lateOutcome,
  'step.succeeded': lateOutcome,
  'step.failed': lateOutcome,
  'step.suspended': lateOutcome,
  'step.in-doubt': lateOutcome,
  // An act that was announced and finds nothing left to spend has not begun: it ends here, and is not tried again.
  'budget.exhausted': { actions: 'keepExhausted' },
} as const;

/** One run: queued → active{planning → executing → validating} → succeeded | failed | cancelled. */
export const runMachine = runSetup.createMachine({
  id: 'run',
  version: '1',
  context: ({ input }) => bornContext(input),
  options: { maxIterations: 100 },
  initial: 'queued',
  states: {
    queued: {
      meta: { status: 'queued' },
      on: {
        'run.started': { guard: 'begins', target: 'active', actions: 'takeOwnership' },
        'timer.fired': { guard: 'isStart', actions: 'release' },
        'run.paused': { target: 'paused', actions: 'keepReason' },
        'run.cancelled': { target: 'cancelled', actions: ['keepReason', 'releaseIfMissed'] },
      },
    },
    active: {
      initial: 'deciding',
      on: {
        'run.recovered': { guard: 'nextEpoch', actions: ['doubtInterrupted', 'takeOwnership'] },
        'run.pause-requested': { target: 'pausing', actions: 'keepReason' },
        'run.cancel-requested': { target: 'cancelling', actions: 'keepReason' },
        'budget.raised': { actions: 'raiseLimits' },
      },
      states: {
        deciding: {
          meta: { status: 'planning' },
          always: [
            { guard: 'givenPlanWantsApproval', target: 'awaitingApproval', actions: 'usePlanOfMission' },
            { guard: 'planGiven', target: 'executing', actions: 'usePlanOfMission' },
            { target: 'planning' },
          ],
        },
        planning: {
          meta: { status: 'planning', effect: 'plan' },
          on: {
            'plan.proposed': [
              { guard: 'wantsPlanApproval', target: 'awaitingApproval', actions: 'useProposedPlan' },
              { target: 'executing', actions: 'useProposedPlan' },
            ],
            'plan.failed': { target: 'concluding', actions: 'keepFailure' },
            'budget.exhausted': exhausted,
            'timer.fired': deadline,
          },
        },
        awaitingApproval: {
          meta: { status: 'awaiting-approval' },
          on: {
            'step.skipped': { guard: 'skippable', actions: 'applyStep' },
            'plan.approved': { target: 'executing' },
            'plan.rejected': { target: 'concluding', actions: 'failByRejection' },
            'run.paused': { target: '#run.paused', actions: 'keepReason' },
            'run.cancelled': { target: '#run.cancelled', actions: 'keepReason' },
          },
        },
        executing: {
          meta: { status: 'executing', effect: 'steps' },
          entry: 'schedule',
          always: [
            { guard: 'willFail', target: 'concluding' },
            { guard: 'allFinished', target: 'validating' },
          ],
          on: {
            'step.started': outcome,
            'step.expanded': { guard: 'expansionFits', actions: ['applyStep', 'addChildren', 'schedule'] },
            'step.performed': outcome,
            'step.succeeded': outcome,
            'step.failed': outcome,
            'step.retried': outcome,
            'step.suspended': lateOutcome,
            'step.in-doubt': outcome,
            'step.reconciled': outcome,
            'step.approval-requested': outcome,
            'step.approved': outcome,
            'step.rejected': outcome,
            'step.skipped': { guard: 'skippable', actions: ['applyStep', 'schedule'] },
            'budget.exhausted': exhausted,
            'timer.fired': [deadline, outcome],
            'run.paused': { target: '#run.paused', actions: 'keepReason' },
            'run.cancelled': { target: '#run.cancelled', actions: 'keepReason' },
          },
        },
        validating: {
          meta: { status: 'validating', effect: 'validate' },
          on: {
            'validation.passed': { guard: 'provesSomething', target: 'concluding', actions: 'keepChecks' },
            'validation.failed': { target: 'concluding', actions: 'keepFailure' },
            'budget.exhausted': exhausted,
            'run.succeeded': { guard: 'nothingToCheck', target: '#run.succeeded' },
            'timer.fired': deadline,
          },
        },
        concluding: {
          meta: { status: 'validating', effect: 'conclude' },
          on: {
            ...lateOutcomes,
            'run.succeeded': { guard: 'passed', target: '#run.succeeded' },
            'run.failed': { guard: 'willFail', target: '#run.failed', actions: 'keepFailure' },
          },
        },
        hist: { type: 'history' },
      },
    },
    pausing: {
      meta: { status: 'pausing', effect: 'pause' },
      on: {
        ...lateOutcomes,
        'run.recovered': { guard: 'nextEpoch', actions: ['doubtInterrupted', 'takeOwnership'] },
        'run.paused': { target: 'paused' },
        'run.cancel-requested': { target: 'cancelling', actions: 'keepReason' },
      },
    },
    paused: {
      meta: { status: 'paused' },
      entry: 'stopClock',
      exit: 'startClock',
      on: {
        'run.resumed': resumption,
        'control.taken': { guard: 'controlFree', actions: 'keepControl' },
        'control.renewed': { guard: 'holdsLease', actions: 'renewControl' },
        'control.acted': { guard: 'holdsLease', actions: 'countAct' },
        'control.released': [...resumption, { guard: 'leaseRanOut', actions: 'freeControl' }],
        'step.skipped': { guard: 'skippableAtRest', actions: 'applyStep' },
        'budget.raised': { actions: 'raiseLimits' },
        'run.cancelled': { target: 'cancelled', actions: 'keepReason' },
      },
    },
    cancelling: {
      meta: { status: 'cancelling', effect: 'cancel' },
      on: {
        ...lateOutcomes,
        'run.recovered': { guard: 'nextEpoch', actions: ['doubtInterrupted', 'takeOwnership'] },
        'run.cancelled': { target: 'cancelled' },
      },
    },
    succeeded: { type: 'final', meta: { status: 'succeeded' } },
    failed: { type: 'final', meta: { status: 'failed' } },
    cancelled: { type: 'final', meta: { status: 'cancelled' } },
  },
});

export type RunMachine = typeof runMachine;
