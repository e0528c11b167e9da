import { describe, expect, it } from '@jest/globals';
import type { AnyStateMachine } from 'xstate';
import { runMachine } from '#machines/run/run.machine.js';
import { stepMachine } from '#machines/step/step.machine.js';

/** Every `[key, value]` of a machine's configuration, at any depth. */
function entriesOf(node: unknown): [string, unknown][] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([key, value]) => [
    [key, value] as [string, unknown],
    ...entriesOf(value),
  ]);
}

const ACTION_KEYS = ['actions', 'entry', 'exit'];
const actionsIn = (machine: AnyStateMachine): unknown[] =>
  entriesOf(machine.config).flatMap(([key, value]) => (ACTION_KEYS.includes(key) ? value : []));
const kindOf = (action: unknown): unknown => (action as { type?: unknown }).type;

describe.each([
  ['run', runMachine as AnyStateMachine, 40],
  ['step', stepMachine as AnyStateMachine, 15],
])('the configuration of the %s machine', (_name, machine, fewest) => {
  it('names every action, and every named action is an assign', () => {
    const actions = actionsIn(machine);
    expect(actions.length).toBeGreaterThanOrEqual(fewest);
    for (const action of actions) {
      expect(typeof action).toBe('string');
      expect(kindOf(machine.implementations.actions[action as string])).toBe('xstate.assign');
    }
  });

  it('names every guard, so that a picture of the machine can show it', () => {
    const guards = entriesOf(machine.config).flatMap(([key, value]) => (key === 'guard' ? [value] : []));
    expect(Object.keys(machine.implementations.guards)).toEqual(expect.arrayContaining(guards));
  });

  it('has no action and no guard that nothing uses', () => {
    const used = entriesOf(machine.config).flatMap(([, value]) => value);
    const { actions, guards } = machine.implementations;
    for (const name of [...Object.keys(actions), ...Object.keys(guards)]) expect(used).toContain(name);
  });

  it('invokes nothing, waits for nothing and spawns nothing', () => {
    const keys = entriesOf(machine.config).map(([key]) => key);
    for (const forbidden of ['invoke', 'after', 'spawn', 'raise', 'onDone'])
      expect(keys).not.toContain(forbidden);
  });

  it('ends a loop of transitions that would go on for ever', () => {
    expect(machine.options?.maxIterations).toBe(100);
  });

  it('pins its version', () => {
    expect(machine.version).toBe('1');
  });
});
