import { assign, setup } from 'xstate';
import type { RunEvent } from '#events/catalog.js';
import type { Artifact, Failure, Output } from '#events/shapes.js';

export type StepState =
  | 'waiting'
  | 'awaitingApproval'
  | 'running'
  | 'expanded'
  | 'verifying'
  | 'backoff'
  | 'inDoubt'
  | 'reconciling'
  | 'inQuestion'
  | 'succeeded'
  | 'failed'
  | 'skipped';

/** What is known of one step of a run. `attempt` counts from 1. */
export interface StepFacts {
  readonly id: string;
  /** Index of the plan step this is, or is a child of. */
  readonly plan: number;
  /** Position among the children of a `forEach` step. */
  readonly item?: number;
  readonly attempt: number;
  /** The intent of an unsafe attempt is in the log. */
  readonly intent: boolean;
  /** Hash of the arguments a person was asked to approve, then approved. */
  readonly argumentHash?: string;
  readonly approved: boolean;
  readonly children?: number;
  /** How many of them have finished. */
  readonly childrenDone?: number;
  readonly items?: Output;
  readonly output?: Output;
  readonly artifacts?: readonly Artifact[];
  readonly failure?: Failure;
  /** Where the driver of this attempt stopped, when the run was paused in the middle of it. */
  readonly progress?: Output | null;
  readonly retryAt?: string;
  /** The pause before the next attempt is so long that nobody should hold the run for it. */
  readonly longWait?: boolean;
}

/** From here on a wait is the log's business, and costs no memory. In milliseconds. */
export const LONG_WAIT_MS = 60_000;

type StepEvent = Extract<RunEvent, { type: `step.${string}` | 'budget.exhausted' }>;
export type StepInput =
  | StepEvent
  | { readonly type: 'dispatch'; readonly approval: boolean }
  | { readonly type: 'begin-attempt'; readonly attempt: number }
  | { readonly type: 'recover' }
  | { readonly type: 'children-finished' };

/** Why a step failed that a person rejected. */
export const rejectionFailure = (reason: string | undefined): Failure => ({
  kind: 'human',
  code: 'step-rejected',
  message: `a person rejected this step${reason ? `: ${reason}` : ''}`,
  hint: 'change the step, or the mission, and submit it again',
});

const sameAttempt = ({ context, event }: { context: StepFacts; event: StepInput }): boolean =>
  !('data' in event) || !('attempt' in event.data) || event.data.attempt === context.attempt;

const stepSetup = setup({
  types: {
    context: {} as StepFacts,
    events: {} as StepInput,
    input: {} as StepFacts,
  },
  guards: {
    needsApproval: ({ context, event }) => event.type === 'dispatch' && event.approval && !context.approved,
    sameAttempt,
    nextAttempt: ({ context, event }) =>
      event.type === 'step.retried' && event.data.attempt === context.attempt + 1,
    hasIntent: ({ context }) => context.intent,
    begunHere: ({ context, event }) => context.intent && sameAttempt({ context, event }),
    withoutIntent: ({ context, event }) => !context.intent && sameAttempt({ context, event }),
    approvesWhatWasAsked: ({ context, event }) =>
      event.type === 'step.approved' && event.data.argumentHash === context.argumentHash,
    wasAsked: ({ context }) => context.argumentHash !== undefined,
    wasNotAsked: ({ context, event }) =>
      context.argumentHash === undefined && sameAttempt({ context, event }),
    confirmed: ({ context, event }) => reconciledAs('confirmed', context, event),
    refuted: ({ context, event }) => reconciledAs('refuted', context, event),
    unknown: ({ context, event }) => reconciledAs('unknown', context, event),
    timerOfAttempt: ({ context, event }) =>
      event.type === 'begin-attempt' && event.attempt === context.attempt,
  },
  actions: {
    keepIntent: assign({ intent: true }),
    forgetIntent: assign({ intent: false }),
    keepProgress: assign(({ event }) =>
      event.type === 'step.suspended' ? { intent: false, progress: event.data.progress } : {},
    ),
    forgetProgress: assign(({ context }) => (context.progress ? { progress: null } : {})),
    keepAsked: assign(({ event }) =>
      event.type === 'step.approval-requested' ? { argumentHash: event.data.argumentHash } : {},
    ),
    keepApproval: assign({ approved: true }),
    keepChildren: assign(({ event }) =>
      event.type === 'step.expanded' ? { children: event.data.count, items: event.data.items } : {},
    ),
    keepOutput: assign(({ event }) =>
      event.type === 'step.performed' || event.type === 'step.succeeded'
        ? { output: event.data.output, ...(event.data.artifacts && { artifacts: event.data.artifacts }) }
        : event.type === 'step.reconciled' && event.data.output
          ? { output: event.data.output }
          : {},
    ),
    keepFailure: assign(({ event }) =>
      event.type === 'step.failed'
        ? { failure: event.data.failure, ...(event.data.artifacts && { artifacts: event.data.artifacts }) }
        : {},
    ),
    keepRejection: assign(({ event }) =>
      event.type === 'step.rejected' ? { failure: rejectionFailure(event.data.reason) } : {},
    ),
    keepRetry: assign(({ context, event }) =>
      event.type === 'step.retried'
        ? {
            attempt: event.data.attempt,
            retryAt: event.data.retryAt,
            longWait: Date.parse(event.data.retryAt) - Date.parse(event.time) >= LONG_WAIT_MS,
            intent: false,
          }
        : { attempt: context.attempt },
    ),
  },
});

/**
 * One step: waiting → running → (verifying) → succeeded | failed. The run machine moves it; it never moves itself.
 * `expanded` is a `forEach` step whose children do the work. A step that was approved, or whose pause between attempts
 * is over, waits for its turn like any other: `maxParallel` holds for it too.
 */
export const stepMachine = stepSetup.createMachine({
  id: 'step',
  version: '1',
  context: ({ input }) => input,
  options: { maxIterations: 100 },
  initial: 'waiting',
  states: {
    waiting: {
      on: {
        dispatch: [{ guard: 'needsApproval', target: 'awaitingApproval' }, { target: 'running' }],
        'step.skipped': { target: 'skipped' },
      },
    },
    awaitingApproval: {
      on: {
        'step.approval-requested': { guard: 'wasNotAsked', actions: 'keepAsked' },
        'step.approved': { guard: 'approvesWhatWasAsked', target: 'waiting', actions: 'keepApproval' },
        'step.rejected': { guard: 'wasAsked', target: 'failed', actions: 'keepRejection' },
        'step.failed': { guard: 'sameAttempt', target: 'failed', actions: 'keepFailure' },
        'step.skipped': { target: 'skipped' },
      },
    },
    running: {
      on: {
        'step.skipped': { target: 'skipped' },
        'step.started': { guard: 'withoutIntent', actions: 'keepIntent' },
        'step.expanded': { target: 'expanded', actions: 'keepChildren' },
        'step.performed': { guard: 'sameAttempt', target: 'verifying', actions: 'keepOutput' },
        'step.succeeded': { guard: 'sameAttempt', target: 'succeeded', actions: 'keepOutput' },
        'step.failed': { guard: 'sameAttempt', target: 'failed', actions: 'keepFailure' },
        'step.retried': { guard: 'nextAttempt', target: 'backoff', actions: ['keepRetry', 'forgetProgress'] },
        'step.suspended': { guard: 'sameAttempt', actions: 'keepProgress' },
        // Its driver stopped between two acts: it looks how things stand before it goes on, and says its intent anew.
        'budget.exhausted': { actions: 'forgetIntent' },
        // Its driver went away in the middle: only a look can tell how far it came.
        'step.in-doubt': { guard: 'begunHere', target: 'reconciling' },
        recover: { guard: 'hasIntent', target: 'inDoubt' },
      },
    },
    expanded: {
      on: {
        'children-finished': { target: 'succeeded' },
      },
    },
    verifying: {
      on: {
        'step.succeeded': { guard: 'sameAttempt', target: 'succeeded', actions: 'keepOutput' },
        'step.failed': { guard: 'sameAttempt', target: 'failed', actions: 'keepFailure' },
        'step.retried': { guard: 'nextAttempt', target: 'backoff', actions: 'keepRetry' },
      },
    },
    backoff: {
      on: {
        'begin-attempt': { guard: 'timerOfAttempt', target: 'waiting' },
        'step.skipped': { target: 'skipped' },
      },
    },
    inDoubt: { on: { 'step.in-doubt': { guard: 'sameAttempt', target: 'reconciling' } } },
    reconciling: {
      on: {
        'step.reconciled': [
          { guard: 'confirmed', target: 'verifying', actions: 'keepOutput' },
          { guard: 'refuted', target: 'running', actions: 'forgetIntent' },
          { guard: 'unknown', target: 'inQuestion' },
        ],
        'step.skipped': { target: 'skipped' },
      },
    },
    // Nobody could tell whether the step acted: a person looks, and says so.
    inQuestion: {
      on: {
        'step.reconciled': [
          { guard: 'confirmed', target: 'verifying', actions: 'keepOutput' },
          { guard: 'refuted', target: 'running', actions: 'forgetIntent' },
        ],
        'step.skipped': { target: 'skipped' },
      },
    },
    succeeded: { type: 'final' },
    failed: { type: 'final' },
    skipped: { type: 'final' },
  },
});

function reconciledAs(outcome: string, context: StepFacts, event: StepInput): boolean {
  return (
    event.type === 'step.reconciled' && event.data.outcome === outcome && sameAttempt({ context, event })
  );
}
