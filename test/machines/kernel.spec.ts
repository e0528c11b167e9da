import { describe, expect, it } from '@jest/globals';
import { assign, setup } from 'xstate';
import type { RunEvent } from '#events/catalog.js';
import { IllegalTransitionError } from '#machines/kernel/errors.js';
import { begin, evolve, freeze, replay, stateOf, thaw } from '#machines/kernel/kernel.js';
import { runMachineOf } from '#machines/registry.js';
import { runMachine } from '#machines/run/run.machine.js';
import { given } from './given.js';
import * as a from './samples.js';

const mission = a.withSteps([a.safeStep('a')]);
const placed = (event: object): RunEvent =>
  ({ ...event, rev: 2, time: '2026-11-22T09:00:00.000Z', actor: 'test' }) as RunEvent;

/** A machine whose one action fails. */
const broken = setup({
  actions: {
    fail: assign(() => {
      throw new Error('a bug');
    }),
  },
}).createMachine({
  id: 'broken',
  initial: 'whole',
  states: { whole: { on: { break: { target: 'gone', actions: 'fail' } } }, gone: {} },
});

describe('evolve', () => {
  it('refuses an event the state does not handle instead of ignoring it', () => {
    const act = () =>
      evolve(runMachine, begin(runMachine, { mission, dryRun: false }), placed(a.succeeded('a')));
    expect(act).toThrow(IllegalTransitionError);
    expect(act).toThrow('event step.succeeded is not accepted in state queued');
  });

  it('throws when an action of the machine does, with the cause', () => {
    const act = () => evolve(broken, begin(broken, undefined), { type: 'break' });
    expect(act).toThrow(expect.objectContaining({ code: 'illegal-transition', cause: new Error('a bug') }));
  });

  it('leaves the snapshot it was given as it was', () => {
    const { snapshot } = given(mission, a.started());
    const before = freeze(runMachine, snapshot);
    evolve(runMachine, snapshot, placed(a.succeeded('a')));
    expect(freeze(runMachine, snapshot)).toEqual(before);
  });
});

describe('replay', () => {
  it('folds a history into the snapshot it ended in', () => {
    const run = given(mission, a.started(), a.succeeded('a'));
    const replayed = replay(runMachine, begin(runMachine, { mission, dryRun: false }), run.log);
    expect(stateOf(replayed)).toBe('active.validating');
  });

  it('stops at the first event that cannot have happened', () => {
    const history = [a.started(), a.started()].map(placed);
    const act = () => replay(runMachine, begin(runMachine, { mission, dryRun: false }), history);
    expect(act).toThrow('event run.started is not accepted in state active.executing');
  });
});

describe('thaw', () => {
  it('remembers where a paused run stood', () => {
    const { snapshot } = given(mission, a.started(), a.succeeded('a'), a.pauseRequested(), a.paused());
    const thawed = thaw(runMachine, freeze(runMachine, snapshot));
    const resumed = evolve(runMachine, thawed, placed(a.resumed()));
    expect([stateOf(resumed), resumed.context.steps[0]?.state]).toEqual(['active.validating', 'succeeded']);
  });

  it('refuses a snapshot of a state the machine does not have', () => {
    const frozen = freeze(runMachine, begin(runMachine, { mission, dryRun: false })) as object;
    expect(() => thaw(runMachine, { ...frozen, value: 'nowhere' })).toThrow(IllegalTransitionError);
  });

  it('refuses what is not a snapshot at all', () => {
    expect(() => thaw(runMachine, { status: 'active' })).toThrow(IllegalTransitionError);
  });
});

describe('stateOf', () => {
  it('joins nested states with a dot', () => {
    expect(stateOf({ value: 'paused' })).toBe('paused');
    expect(stateOf({ value: { active: { executing: 'now' } } })).toBe('active.executing.now');
  });
});

describe('the registry', () => {
  it('knows the machine that runs are pinned to', () => {
    expect(runMachineOf('run@1')).toBe(runMachine);
  });

  it('says which machines it knows when it does not know one', () => {
    expect(() => runMachineOf('run@9')).toThrow(
      'this version of SkyAgentOS has no machine run@9; it knows run@1',
    );
  });
});
