import { describe, expect, it } from '@jest/globals';
import { createMachine } from 'xstate';
import { describeMachine, toMermaid, type NodeDefinition } from '../../src/inspector/describe-machine.js';
import { foldAll } from '../../src/runs/run-state.js';
import { storedRun } from './stored-run.js';

const door = createMachine({
  id: 'door',
  initial: 'closed',
  states: {
    closed: { on: { 'door.opened': 'open', 'door.locked': 'locked' } },
    open: {
      initial: 'ajar',
      on: { 'door.closed': 'closed' },
      states: { ajar: { on: { 'door.pushed': 'wide' } }, wide: {}, hist: { type: 'history' } },
    },
    locked: { on: { 'door.unlocked': 'open.hist' } },
    gone: { type: 'final' },
  },
});
const definition = JSON.parse(JSON.stringify(door.toJSON())) as NodeDefinition;

describe('a machine as Mermaid', () => {
  it('has its states, its nested states and its transitions; a history is drawn as the state it belongs to', () => {
    expect(toMermaid(definition)).toBe(`stateDiagram-v2
  [*] --> closed
  closed
  state open {
    [*] --> ajar
    ajar
    wide
  }
  locked
  gone
  closed --> open: door.opened
  closed --> locked: door.locked
  open --> closed: door.closed
  ajar --> wide: door.pushed
  locked --> open: door.unlocked
`);
  });

  it('marks the state a run is in', () => {
    expect(toMermaid(definition, 'open.wide').split('\n').slice(-3)).toEqual([
      '  classDef active fill:#cfe8ff,stroke:#0b57b7',
      '  class wide active',
      '',
    ]);
  });
});

describe('the machine of a run', () => {
  const at = (rev: number) => describeMachine(foldAll(storedRun().slice(0, rev))!);

  it('says where it is and what may come next', () => {
    expect(at(1)).toMatchObject({
      machine: 'run@1',
      rev: 1,
      status: 'queued',
      active: ['queued'],
      commands: ['pause', 'cancel', 'fork'],
    });
    expect(at(1).events).toEqual(['run.started', 'timer.fired', 'run.paused', 'run.cancelled']);
    expect(at(2)).toMatchObject({
      rev: 2,
      status: 'executing',
      active: ['active', 'active.executing'],
      commands: ['pause', 'cancel', 'budget', 'takeover', 'fork'],
    });
    expect(at(4)).toMatchObject({
      status: 'succeeded',
      active: ['succeeded'],
      events: [],
      commands: ['retry', 'fork'],
    });
  });

  it('draws the transitions that need no event too', () => {
    const lines = at(2).mermaid.split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        '  deciding --> planning',
        '  executing --> validating',
        '  executing --> concluding',
      ]),
    );
    expect(lines).toContain('  class executing active');
  });

  it('leaves no state out, and none without a way in', () => {
    const { mermaid } = at(1);
    const names = [
      'queued',
      'deciding',
      'planning',
      'awaitingApproval',
      'executing',
      'validating',
      'concluding',
      'pausing',
      'paused',
      'cancelling',
      'succeeded',
      'failed',
      'cancelled',
    ];
    expect(names.filter((name) => !new RegExp(`--> ${name}(:|$)`, 'm').test(mermaid))).toEqual([]);
  });
});
