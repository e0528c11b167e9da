import { expect } from '@jest/globals';
import type { NewEvent, RunEvent } from '#events/catalog.js';
import type { CommandName } from '#events/run.commands.js';
import type { Mission } from '#events/mission.js';
import { begin, stateOf } from '#machines/kernel/kernel.js';
import { advance, decide, isRefusal, type RunCommand, type RunSnapshot } from '#machines/run/run.decide.js';
import { effectsOf, statusOf } from '#machines/run/run.effects.js';
import { runMachine } from '#machines/run/run.machine.js';
import { record } from './samples.js';

/** A run some events old, each of which `decide` let in. */
export interface Given {
  readonly snapshot: RunSnapshot;
  /** The events as the log holds them, `next` included. */
  readonly log: readonly RunEvent[];
  state(): string;
  status(): string;
  effects(): string[];
  steps(): Record<string, string>;
  /** The run after these events too. */
  and(...events: NewEvent[]): Given;
  when(command: RunCommand): Decision;
}

export interface Decision {
  /** The event `decide` answers, with what `advance` adds to it; gives the run after it. */
  then(expected: NewEvent): Given;
  /** The refusal `decide` answers; of what is legal, pausing, resuming, cancelling and answering are looked at. */
  thenRefused(expected: { state: string; legal: CommandName[] }): void;
}

const BASIC: ReadonlySet<CommandName> = new Set(['pause', 'resume', 'cancel', 'approve', 'reject']);

/** One event a second, from nine o'clock: run.created was the first. */
export const timeOf = (rev: number): string => new Date(Date.UTC(2026, 10, 22, 9, 0, rev - 1)).toISOString();

export const born = (mission: Mission, dryRun = false): Given =>
  after(begin(runMachine, { mission, dryRun }), []);

/** A run of `mission` to which `events` happened; throws at an event that is not legal there. */
export const given = (mission: Mission, ...events: NewEvent[]): Given => born(mission).and(...events);

function after(snapshot: RunSnapshot, log: readonly RunEvent[]): Given {
  const { steps } = snapshot.context;
  return {
    snapshot,
    log,
    state: () => stateOf(snapshot),
    status: () => statusOf(snapshot),
    effects: () => effectsOf(snapshot).map((effect) => effect.id),
    steps: () => Object.fromEntries(steps.map((step) => [step.id, step.state])),
    and: (...events) => events.reduce((run, event) => happen(run, record(event)), after(snapshot, log)),
    when: (command) => decision(after(snapshot, log), command),
  };
}

const nowOf = (run: Given): string => timeOf(run.log.length + 2);

/** Decides and advances; throws at a refusal. */
function happen(run: Given, command: RunCommand): Given {
  const decided = decide(run.snapshot, command, nowOf(run));
  if (isRefusal(decided)) throw new Error(decided.message);
  const place = { rev: run.log.length + 2, time: nowOf(run), actor: 'test' };
  const next = advance(run.snapshot, decided, place)!;
  return after(next.snapshot, [...run.log, next.event]);
}

const decision = (run: Given, command: RunCommand): Decision => ({
  // oxlint-disable-next-line unicorn/no-thenable -- the third word of given, when, then; nobody awaits it
  then: (expected) => {
    const next = happen(run, command);
    const { type, data } = next.log.at(-1)!;
    expect({ type, data }).toEqual(expected);
    return next;
  },
  thenRefused: (expected) => {
    const decided = decide(run.snapshot, command, nowOf(run));
    if (!isRefusal(decided)) throw new Error(`${command.kind} was taken`);
    const { refused, state, legal } = decided;
    const basic = legal.filter((name) => BASIC.has(name));
    expect({ refused, state, legal: basic }).toEqual({ refused: 'illegal-command', ...expected });
  },
});
