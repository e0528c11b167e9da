import { assign, setup } from 'xstate';
import type { RunEvent } from '#events/catalog.js';
import { moveStep, waitingStep, type StepRecord } from '../step/move-step.js';
import type { StepInput } from '../step/step.machine.js';
import {
  bornContext,
  maxStepsOf,
  stepById,
  withChildren,
  withPlan,
  type RunContext,
  type RunInput,
} from './run.context.js';
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
  if ('data' in event && 'stepId' in event.data) return { id: event.data.stepId, input: event as StepInput };
  if (event.type !== 'timer.fired') return undefined;
  const [, id, attempt] = /^timer:([^:]+):(\d+)$/.exec(event.data.timer) ?? [];
  return id === undefined ? undefined : { id, input: { type: 'begin-attempt', attempt: Number(attempt) } };
}

const runSetup = setup({
  types: {
    context: {} as RunContext,
    events: {} as RunEvent,
    input: {} as RunInput,
    meta: {} as { status: RunStatus; effect?: StateEffect },
  },
  guards: {
    planGiven: ({ context }) => context.mission.plan !== undefined,
    neverStarted: ({ context }) => context.startedAt === null,
    nextEpoch: ({ context, event }) =>
      (event.type === 'run.started' || event.type === 'run.recovered') &&
      event.data.epoch === context.epoch + 1,
    givenPlanWantsApproval: ({ context }) =>
      context.mission.plan !== undefined && context.mission.approval === 'plan',
    wantsPlanApproval: ({ context }) => context.mission.approval === 'plan',
    stepAccepts: ({ context, event }) => movedStep(context, event) !== undefined,
    expansionFits: ({ context, event }) =>
      event.type === 'step.expanded' &&
      movedStep(context, event) !== undefined &&
      context.steps.length + event.data.count <= maxStepsOf(context),
    isDeadline: ({ event }) => event.type === 'timer.fired' && event.data.timer === 'timer:deadline',
    willFail: ({ context }) => context.failure !== null,
    allFinished: ({ context }) => allFinished(context),
    nothingToCheck: ({ context }) => (context.plan?.success ?? []).length === 0,
    passed: ({ context }) => context.failure === null && context.checksPassed > 0,
    provesSomething: ({ event }) => event.type === 'validation.passed' && event.data.evidence.length > 0,
  },
  actions: {
    takeOwnership: assign(({ context, event }) =>
      event.type === 'run.started' || event.type === 'run.recovered'
        ? { worker: event.data.worker, epoch: event.data.epoch, startedAt: context.startedAt ?? event.time }
        : {},
    ),
    usePlanOfMission: assign(({ context }) => (context.mission.plan ? withPlan(context.mission.plan) : {})),
    useProposedPlan: assign(({ event }) => (event.type === 'plan.proposed' ? withPlan(event.data.plan) : {})),
    applyStep: assign(({ context, event }) => {
      const moved = movedStep(context, event);
      if (!moved) return {};
      const failure = moved.state === 'failed' ? failureOfRun(context, moved) : null;
      return { ...replaceStep(context, moved), failure: context.failure ?? failure };
    }),
    addChildren: assign(({ context, event }) => {
      if (event.type !== 'step.expanded') return {};
      const { stepId, count } = event.data;
      const plan = stepById(context, stepId)!.plan;
      const children = Array.from({ length: count }, (_, item) =>
        waitingStep({ id: `${stepId}.${item}`, plan, item, approved: true }),
      );
      return withChildren(context, children);
    }),
    schedule: assign(({ context }) => schedule(context)),
    // An owner that claims its run anew, after it was frozen, still has its acts in hand: nothing of them is in doubt.
    doubtInterrupted: assign(({ context, event }) =>
      event.type === 'run.recovered' && event.data.worker === context.worker
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
    failByDeadline: assign(({ context }) => ({
      failure: {
        kind: 'timeout' as const,
        code: 'run-deadline',
        message: `the run did not finish within limits.maxDurationMs (${context.mission.limits.maxDurationMs} ms)`,
        hint: 'raise limits.maxDurationMs or ask for less',
      },
    })),
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
    keepNote: assign(({ context, event }) =>
      event.type === 'run.resumed'
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

const deadline = {
  guard: 'isDeadline',
  target: '#run.active.concluding',
  actions: 'failByDeadline',
} as const;
const outcome = { guard: 'stepAccepts', actions: ['applyStep', 'schedule'] } as const;
/** While nothing may start: an outcome that still arrives is kept, and dispatches nothing. */
const lateOutcome = { guard: 'stepAccepts', actions: 'applyStep' } as const;
const lateOutcomes = {
  'step.performed': lateOutcome,
  'step.succeeded': lateOutcome,
  'step.failed': lateOutcome,
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
        'run.started': { guard: 'nextEpoch', target: 'active', actions: 'takeOwnership' },
        'run.paused': { target: 'paused', actions: 'keepReason' },
        'run.cancelled': { target: 'cancelled', actions: 'keepReason' },
      },
    },
    active: {
      initial: 'deciding',
      on: {
        'run.recovered': { guard: 'nextEpoch', actions: ['doubtInterrupted', 'takeOwnership'] },
        'run.pause-requested': { target: 'pausing', actions: 'keepReason' },
        'run.cancel-requested': { target: 'cancelling', actions: 'keepReason' },
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
            'timer.fired': deadline,
          },
        },
        awaitingApproval: {
          meta: { status: 'awaiting-approval' },
          on: {
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
            'step.in-doubt': outcome,
            'step.reconciled': outcome,
            'step.approval-requested': outcome,
            'step.approved': outcome,
            'step.rejected': outcome,
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
        'run.resumed': [
          { guard: 'neverStarted', target: 'queued', actions: 'keepNote' },
          { target: 'active.hist', actions: 'keepNote' },
        ],
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
