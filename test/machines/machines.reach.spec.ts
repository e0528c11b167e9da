import { describe, expect, it } from '@jest/globals';
import { getShortestPaths } from 'xstate/graph';
import { stateOf } from '#machines/kernel/kernel.js';
import { runMachine } from '#machines/run/run.machine.js';
import { stepMachine, type StepInput } from '#machines/step/step.machine.js';
import * as a from './samples.js';

const plan = a.planOf([a.unsafeStep('only')]);
const runEvents = [
  a.started(),
  a.proposed(plan),
  a.event('plan.approved', {}),
  a.event('plan.rejected', {}),
  a.intended('only'),
  a.succeeded('only'),
  a.failed('only'),
  a.pauseRequested(),
  a.paused(),
  a.resumed(),
  a.cancelRequested(),
  a.cancelled(),
  a.runSucceeded(),
  a.runFailed(),
].map((event) => ({ ...event, rev: 1, time: '2026-11-22T09:00:00.000Z', actor: 'test' }));

const stepInputs = [
  { type: 'dispatch', approval: true },
  { type: 'dispatch', approval: false },
  { type: 'begin-attempt', attempt: 2 },
  { type: 'recover' },
  { type: 'children-finished' },
  a.intended('only'),
  a.expanded('only', 2),
  a.performed('only'),
  a.succeeded('only'),
  a.failed('only'),
  a.retried('only', 2),
  a.doubted('only'),
  a.reconciled('only', 'confirmed'),
  a.reconciled('only', 'refuted'),
  a.reconciled('only', 'unknown'),
  a.asked('only'),
  a.approved('only'),
  a.event('step.skipped', { stepId: 'only' }),
] as StepInput[];

describe('the run machine', () => {
  it('reaches every state it has', () => {
    const paths = getShortestPaths(runMachine, {
      input: { mission: a.missionOf({ approval: 'plan' }), dryRun: false },
      events: runEvents,
      serializeState: ({ value, context }) =>
        JSON.stringify([
          value,
          context.steps.map(({ state, intent }) => [state, intent]),
          context.failure?.code,
        ]),
      limit: 5000,
    });
    expect([...new Set(paths.map(({ state }) => stateOf(state)))].sort()).toEqual([
      'active.awaitingApproval',
      'active.concluding',
      'active.executing',
      'active.planning',
      'active.validating',
      'cancelled',
      'cancelling',
      'failed',
      'paused',
      'pausing',
      'queued',
      'succeeded',
    ]);
  });

  it('has only two states besides: one it never stays in, and the history', () => {
    const { active, ...others } = runMachine.config.states!;
    const rest = ['planning', 'awaitingApproval', 'executing', 'validating', 'concluding'];
    expect(Object.keys(active!.states!).filter((key) => !rest.includes(key))).toEqual(['deciding', 'hist']);
    expect(Object.keys(others)).toEqual([
      'queued',
      'pausing',
      'paused',
      'cancelling',
      'succeeded',
      'failed',
      'cancelled',
    ]);
  });
});

describe('the step machine', () => {
  it('reaches every state it has', () => {
    const paths = getShortestPaths(stepMachine, {
      input: { id: 'only', plan: 0, attempt: 1, intent: false, approved: false },
      events: stepInputs,
      serializeState: ({ value, context }) =>
        JSON.stringify([value, context.attempt, context.intent, context.approved, context.argumentHash]),
      limit: 5000,
    });
    const reached = [...new Set(paths.map(({ state }) => stateOf(state)))].sort();
    expect(reached).toEqual([
      'awaitingApproval',
      'backoff',
      'expanded',
      'failed',
      'inDoubt',
      'inQuestion',
      'reconciling',
      'running',
      'skipped',
      'succeeded',
      'verifying',
      'waiting',
    ]);
    expect(Object.keys(stepMachine.config.states!).sort()).toEqual(reached);
  });
});
