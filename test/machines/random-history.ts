import fc from 'fast-check';
import type { NewEvent, RunEvent } from '#events/catalog.js';
import type { Mission } from '#events/mission.js';
import { begin } from '#machines/kernel/kernel.js';
import { advance, decide, isRefusal, type RunCommand, type RunSnapshot } from '#machines/run/run.decide.js';
import { effectsOf, type Effect } from '#machines/run/run.effects.js';
import { runMachine } from '#machines/run/run.machine.js';
import { timeOf } from './given.js';
import * as a from './samples.js';

/** A legal history: `snapshots[n]` is the run after its first `n` events. */
export interface History {
  readonly mission: Mission;
  readonly dryRun: boolean;
  readonly events: readonly RunEvent[];
  readonly snapshots: readonly RunSnapshot[];
  /** What a failing law prints: a snapshot prints its whole machine. */
  readonly [fc.toStringMethod]: () => string;
}

const manySteps = [
  a.safeStep('look', { retry: { max: 2, backoffMs: 1000 }, expect: [{ status: 200 }] }),
  a.unsafeStep('buy', { needs: ['look'], retry: { max: 1, backoffMs: 500 } }),
  a.unsafeStep('sell', { needs: ['look'], approval: true, onFailure: 'continue' }),
  a.unsafeStep('each', {
    forEach: '{{ inputs.list }}',
    onFailure: 'continue',
    retry: { max: 1, backoffMs: 1 },
  }),
  a.safeStep('last', { needs: ['buy', 'sell', 'each'] }),
];
const plan = a.planOf(manySteps, [{ text: 'done' }]);
export const sampleMissions: readonly Mission[] = [
  a.missionOf({ plan, limits: { maxParallel: 2, maxDurationMs: 60_000 } }),
  a.missionOf({ approval: 'plan', limits: { maxSteps: 7 } }),
  a.withSteps([a.unsafeStep('only', { approval: true })], { approval: 'plan' }),
  a.withSteps([a.safeStep('one'), a.unsafeStep('two')], { limits: { maxParallel: 1 } }),
];

/** Histories of every length, made by choosing among what may happen next. */
export const histories: fc.Arbitrary<History> = fc
  .tuple(
    fc.constantFrom(...sampleMissions),
    fc.boolean(),
    fc.array(fc.nat(9999), { maxLength: 60, size: 'max' }),
  )
  .map(([mission, dryRun, picks]) => walk(mission, dryRun, picks));

function walk(mission: Mission, dryRun: boolean, picks: readonly number[]): History {
  const snapshots = [begin(runMachine, { mission, dryRun })];
  const events: RunEvent[] = [];
  for (const pick of picks) {
    const snapshot = snapshots.at(-1)!;
    const rev = events.length + 2;
    const enabled = chooseFrom(snapshot, pick, timeOf(rev));
    if (enabled.length === 0) break;
    const chosen = enabled[pick % enabled.length]!;
    const next = advance(snapshot, chosen, { rev, time: timeOf(rev), actor: 'test' })!;
    events.push(next.event);
    snapshots.push(next.snapshot);
  }
  return { mission, dryRun, events, snapshots, [fc.toStringMethod]: () => JSON.stringify(events) };
}

/** People speak now and then, and owners die now and then; else every run would be over after three events. */
function chooseFrom(snapshot: RunSnapshot, pick: number, now: string): NewEvent[] {
  const allowed = (commands: RunCommand[]) =>
    commands.flatMap((command) => {
      const decided = decide(snapshot, command, now);
      return isRefusal(decided) ? [] : [decided];
    });
  const outcomes = allowed(outcomesIn(snapshot));
  if (pick % 7 === 0) return [...outcomes, ...allowed(peopleAndCrashes(snapshot))];
  return outcomes.length === 0 || pick % 5 === 0
    ? [...outcomes, ...allowed(peopleWhoHelp(snapshot))]
    : outcomes;
}

/** Everything the world may answer to the effects of a state. */
export function outcomesIn(snapshot: RunSnapshot): RunCommand[] {
  const toEffects = effectsOf(snapshot).flatMap((effect) => answersTo(effect, snapshot));
  const late = snapshot.context.steps.map((step) => a.record(a.succeeded(step.id, step.attempt)));
  const start = a.record(a.started(snapshot.context.epoch + 1));
  return snapshot.matches('queued') ? [start] : [...toEffects, ...(snapshot.matches('pausing') ? late : [])];
}

function answersTo(effect: Effect, snapshot: RunSnapshot): RunCommand[] {
  const events =
    'stepId' in effect
      ? stepAnswers(effect.stepId, effect.attempt)[effect.kind]
      : runAnswers(effect, snapshot);
  return events.map((answer) => ('type' in answer ? a.record(answer) : answer));
}

const stepAnswers = (id: string, attempt: number) => ({
  intend: [a.intended(id, attempt), a.reportFailure(id, attempt, 'infrastructure')],
  expand: [a.expanded(id, 0), a.expanded(id, 2), a.reportFailure(id, attempt)],
  execute: [a.performed(id, attempt), a.succeeded(id, attempt), a.reportFailure(id, attempt)],
  verify: [a.succeeded(id, attempt), a.reportFailure(id, attempt, 'validation')],
  'ask-approval': [a.asked(id), a.reportFailure(id, attempt, 'input')],
  'note-doubt': [a.doubted(id, attempt)],
  reconcile: (['confirmed', 'refuted', 'unknown'] as const).map((found) => a.reconciled(id, found, attempt)),
});

function runAnswers(effect: Effect, snapshot: RunSnapshot): NewEvent[] {
  switch (effect.kind) {
    case 'plan':
      return [a.proposed(plan), a.proposed(plan), a.event('plan.failed', { failure: a.failureOf('model') })];
    case 'validate':
      return [a.validated(2), a.refuted(), a.runSucceeded()];
    case 'conclude':
      return [a.runSucceeded(snapshot.context.checksPassed), a.runFailed()];
    case 'pause':
      return [a.paused()];
    case 'cancel':
      return [a.cancelled()];
    default:
      return [a.fired(effect.id)];
  }
}

export function peopleWhoHelp({ context }: RunSnapshot): RunCommand[] {
  const approvals = context.steps.map((step): RunCommand => ({ kind: 'Approve', stepId: step.id }));
  return [
    { kind: 'Approve' },
    { kind: 'ResumeRun', note: 'go on' },
    { kind: 'PauseRun', reason: 'wait' },
    { kind: 'ResumeRun', replan: true },
    { kind: 'RaiseBudget', limits: { maxSteps: 50, maxDurationMs: 90_000, maxTokens: 9 } },
    { kind: 'RaiseBudget', limits: { maxDurationMs: 120_000 } },
    ...controls(context.control?.lease ?? 'lse_1', context.controlEpoch),
    ...approvals,
  ];
}

/** Somebody takes the controls for half a minute of these histories, in which an event takes a second. */
const controls = (lease: string, epoch: number): RunCommand[] => [
  {
    kind: 'TakeControl',
    lease: `lse_${epoch + 1}`,
    holder: 'operator:test',
    expiresAt: '2026-11-22T09:00:30.000Z',
  },
  { kind: 'RenewControl', lease, expiresAt: '2026-11-22T09:00:40.000Z' },
  { kind: 'HandBack', lease, note: 'yours' },
  { kind: 'ExpireControl', lease },
  a.record(
    a.event('control.acted', {
      lease,
      does: 'workspace.call',
      with: {},
      outcome: 'succeeded',
      durationMs: 1,
    }),
  ),
];

export function peopleAndCrashes({ context }: RunSnapshot): RunCommand[] {
  const rejections = context.steps.map((step): RunCommand => ({ kind: 'Reject', stepId: step.id }));
  const crash = a.record(a.recovered(context.epoch + 1));
  const settlements = context.steps.map((step): RunCommand => ({
    kind: 'SettleDoubt',
    stepId: step.id,
    outcome: step.attempt > 1 ? 'confirmed' : 'refuted',
  }));
  const skips = context.steps.map((step): RunCommand => ({ kind: 'SkipStep', stepId: step.id }));
  const spent = a.record(
    a.event('budget.exhausted', { budget: 'maxTokens', limit: 8, wanted: 9, stepId: context.steps[0]?.id }),
  );
  return [
    crash,
    crash,
    crash,
    spent,
    { kind: 'Reject' },
    { kind: 'CancelRun' },
    ...rejections,
    ...settlements,
    ...skips,
  ];
}
