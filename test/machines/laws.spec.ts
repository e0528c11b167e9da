import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { transition } from 'xstate';
import { catalog, type NewEvent } from '#events/catalog.js';
import { begin, freeze, replay, stateOf, thaw } from '#machines/kernel/kernel.js';
import {
  advance,
  decide,
  handle,
  isRefusal,
  legalCommands,
  type RunCommand,
  type RunSnapshot,
} from '#machines/run/run.decide.js';
import { countsOf } from '#machines/run/run.context.js';
import { effectsOf } from '#machines/run/run.effects.js';
import { runMachine } from '#machines/run/run.machine.js';
import { timeOf } from './given.js';
import { histories, outcomesIn, peopleWhoHelp, type History } from './random-history.js';
import * as a from './samples.js';

const RUNS = { numRuns: 300 };
const NOW = '2026-11-22T10:00:00.000Z';
const IN_THE_WORLD = ['running', 'verifying', 'inDoubt', 'reconciling'];

/** Checks something of every snapshot of many histories. */
const always = (check: (snapshot: RunSnapshot) => void): void =>
  fc.assert(
    fc.property(histories, ({ snapshots }) => snapshots.forEach(check)),
    RUNS,
  );
const accepted = (snapshot: RunSnapshot, command: RunCommand): boolean =>
  !isRefusal(decide(snapshot, command, NOW));

describe('histories made at random', () => {
  it('go through every state a run can rest or work in', () => {
    const seen = fc
      .sample(histories, { seed: 1, numRuns: 2000 })
      .flatMap(({ snapshots }) => snapshots.map(stateOf));
    expect([...new Set(seen)].sort()).toEqual([
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

  it('take a step through every state it can be seen in', () => {
    const seen = fc
      .sample(histories, { seed: 1, numRuns: 2000 })
      .flatMap(({ snapshots }) =>
        snapshots.flatMap(({ context }) => context.steps.map((step) => step.state)),
      );
    expect([...new Set(seen)].sort()).toEqual([
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
  });
});

describe('a history', () => {
  it('frozen at any cut and replayed from there gives the snapshot of the run that was never frozen', () => {
    const cuts = fc
      .tuple(histories, fc.nat())
      .map(([history, cut]) => ({ history, cut: cut % history.snapshots.length }));
    const law = fc.property(cuts, ({ history, cut }) => {
      const thawed = thaw(
        runMachine,
        JSON.parse(JSON.stringify(freeze(runMachine, history.snapshots[cut]!))),
      );
      const resumed = replay(runMachine, thawed, history.events.slice(cut));
      expect(freeze(runMachine, resumed)).toEqual(freeze(runMachine, history.snapshots.at(-1)!));
      expect(effectsOf(resumed)).toEqual(effectsOf(history.snapshots.at(-1)!));
    });
    fc.assert(law, RUNS);
  });

  it('replayed from JSON gives the snapshot of the run that lived it', () => {
    const law = fc.property(histories, ({ mission, dryRun, events, snapshots }) => {
      const replayed = replay(
        runMachine,
        begin(runMachine, { mission, dryRun }),
        JSON.parse(JSON.stringify(events)),
      );
      expect(freeze(runMachine, replayed)).toEqual(freeze(runMachine, snapshots.at(-1)!));
    });
    fc.assert(law, RUNS);
  });

  it('holds only events the catalogue lets in, `next` included', () => {
    const law = fc.property(histories, ({ events }) => {
      for (const { type, data } of events) {
        const parsed = catalog.get(type)!.schema.safeParse(JSON.parse(JSON.stringify(data)));
        expect(parsed.error?.issues ?? []).toEqual([]);
      }
    });
    fc.assert(law, RUNS);
  });

  it('leaves the machine nothing to carry out', () => {
    const law = fc.property(histories, ({ events, snapshots }) => {
      events.forEach((event, at) => expect(transition(runMachine, snapshots[at]!, event)[1]).toEqual([]));
    });
    fc.assert(law, RUNS);
  });

  it('names in `next` exactly the steps that came into the hands of the world', () => {
    const inHand = ['running', 'awaitingApproval'];
    const law = fc.property(histories, ({ events, snapshots }) => {
      events.forEach(({ data }, at) => {
        const before = new Map(snapshots[at]!.context.steps.map((step) => [step.id, step.state]));
        const steps = snapshots[at + 1]!.context.steps;
        const dispatched = steps.filter(
          ({ id, state }) => inHand.includes(state) && before.get(id) !== state,
        );
        expect('next' in data ? data.next : []).toEqual(dispatched.map(({ id }) => id));
      });
    });
    fc.assert(law, RUNS);
  });

  it('ends the same whether or not somebody paused and resumed it in the middle', () => {
    const law = fc.property(histories, fc.nat(), (history, cut) => {
      const at = cut % history.snapshots.length;
      const quiet = withoutPauses(history);
      const straight = live(quiet, undefined);
      expect(live(quiet, at % (quiet.events.length + 1))).toEqual(straight);
    });
    fc.assert(law, RUNS);
  });
});

const PAUSES = ['run.pause-requested', 'run.paused', 'run.resumed'];

/** The part of a history before anyone paused it. */
function withoutPauses({ events, ...history }: History): History {
  const first = events.findIndex(({ type }) => PAUSES.includes(type));
  return { ...history, events: first < 0 ? events : events.slice(0, first) };
}

/** Lives a history again, with a pause (and a resume at the same instant) before event `pauseAt` where it may be given. */
function live({ mission, dryRun, events }: History, pauseAt: number | undefined): unknown {
  let snapshot = begin(runMachine, { mission, dryRun });
  const happen = (event: NewEvent, rev: number) => {
    snapshot = advance(snapshot, event, { rev, time: timeOf(rev), actor: 'test' })!.snapshot;
  };
  events.forEach((event, index) => {
    if (index === pauseAt) pauseAndResume(snapshot).forEach((pause) => happen(pause, event.rev));
    happen(event, event.rev);
  });
  const { value, context } = snapshot;
  return { value, context: { ...context, reason: null } };
}

function pauseAndResume(snapshot: RunSnapshot): NewEvent[] {
  // A run whose budget is used up rests until somebody raises it: a pause in its last moments is no mere pause.
  if (snapshot.context.exhausted !== null) return [];
  const pause = decide(snapshot, { kind: 'PauseRun' }, NOW);
  if (isRefusal(pause)) return [];
  return pause.type === 'run.paused' ? [pause, a.resumed()] : [pause, a.paused(), a.resumed()];
}

describe('the effects of a state', () => {
  it('are the same however often they are asked for, also after a round through JSON', () => {
    always((snapshot) => {
      const again = effectsOf(thaw(runMachine, freeze(runMachine, snapshot)));
      expect(effectsOf(snapshot)).toEqual(effectsOf(snapshot));
      expect(again).toEqual(effectsOf(snapshot));
    });
  });

  it('have ids that are unique in it', () => {
    always((snapshot) => {
      const ids = effectsOf(snapshot).map((effect) => effect.id);
      expect(new Set(ids).size).toBe(ids.length);
    });
  });

  it('are none when the run is queued, paused or over', () => {
    always((snapshot) => {
      const atRest = ['queued', 'paused', 'succeeded', 'failed', 'cancelled'].includes(stateOf(snapshot));
      if (atRest) expect(effectsOf(snapshot)).toEqual([]);
    });
  });

  it('are never none while the run neither rests nor waits for a person', () => {
    always((snapshot) => {
      const waiting = new Set<string>(['awaitingApproval', 'inQuestion']);
      const asked = snapshot.context.steps.some((step) => waiting.has(step.state));
      const atWork = ['active.planning', 'active.validating', 'active.concluding', 'pausing', 'cancelling'];
      const mustWork =
        atWork.includes(stateOf(snapshot)) || (stateOf(snapshot) === 'active.executing' && !asked);
      if (mustWork) expect(effectsOf(snapshot)).not.toEqual([]);
    });
  });

  it('can each be answered: at least one thing the world may say is let in', () => {
    always((snapshot) => {
      if (effectsOf(snapshot).length === 0) return;
      expect(outcomesIn(snapshot).some((command) => accepted(snapshot, command))).toBe(true);
    });
  });

  it('may fail for any reason: the report of a failed attempt is never refused', () => {
    always((snapshot) => {
      const failing = effectsOf(snapshot).flatMap((effect) => ('stepId' in effect ? [effect] : []));
      const acts = failing.filter(({ kind }) => kind !== 'note-doubt' && kind !== 'reconcile');
      for (const { stepId, attempt } of acts) {
        for (const kind of ['input', 'site', 'infrastructure'] as const) {
          expect(accepted(snapshot, a.reportFailure(stepId, attempt, kind))).toBe(true);
        }
      }
    });
  });

  it('hold the act of an unsafe step only once its intent is in the log', () => {
    const law = fc.property(histories, ({ events, snapshots, dryRun }) => {
      const acts = snapshots.flatMap((snapshot, at) =>
        effectsOf(snapshot).flatMap((effect) => (effect.kind === 'execute' ? [{ ...effect, at }] : [])),
      );
      const unsafe = acts.filter(({ stepId }) => /^(buy|sell|each|only|two)/.test(stepId) && !dryRun);
      for (const { stepId, attempt, at } of unsafe) {
        const intents = events.slice(0, at).filter(({ type }) => type === 'step.started');
        expect(intents.map(({ data }) => data)).toContainEqual(expect.objectContaining({ stepId, attempt }));
      }
    });
    fc.assert(law, RUNS);
  });
});

describe('a run', () => {
  it('never has more steps in the world than maxParallel', () => {
    always(({ context }) => {
      const busy = context.steps.filter((step) => IN_THE_WORLD.includes(step.state));
      expect(busy.length).toBeLessThanOrEqual(context.mission.limits.maxParallel ?? 4);
    });
  });

  it('accepts nothing more once it is over', () => {
    const law = fc.property(histories, histories, ({ snapshots }, { events }) => {
      const last = snapshots.at(-1)!;
      if (!['succeeded', 'failed', 'cancelled'].includes(stateOf(last))) return;
      for (const event of events) expect(accepted(last, a.record(event))).toBe(false);
      expect(legalCommands(last, NOW)).toEqual(['retry', 'fork']);
    });
    fc.assert(law, RUNS);
  });

  it('takes a command in one go exactly when it would decide for it, and decides the same', () => {
    const law = fc.property(histories, histories, ({ snapshots }, { events }) => {
      const commands = [...events.map((event) => a.record(event)), ...peopleWhoHelp(snapshots.at(-1)!)];
      for (const command of commands) {
        const place = { rev: 99, time: NOW, actor: 'test' };
        const decided = decide(snapshots.at(-1)!, command, NOW);
        const taken = handle(snapshots.at(-1)!, command, place);
        if (isRefusal(decided)) expect(taken).toEqual(decided);
        else expect(taken).toMatchObject({ event: { type: decided.type, ...place } });
      }
    });
    fc.assert(law, RUNS);
  });

  it('counts its steps right, move by move', () => {
    always(({ context }) => {
      const { waitingFrom, ...counts } = countsOf(context.steps);
      expect(context).toMatchObject(counts);
      const waiting = context.steps.findIndex((step) => step.state === 'waiting');
      expect(waitingFrom).toBe(0);
      if (waiting >= 0) expect(context.waitingFrom).toBeLessThanOrEqual(waiting);
    });
  });

  it('names as legal exactly the commands that decide accepts', () => {
    always((snapshot) => {
      const { steps } = snapshot.context;
      const stepIds = [undefined, ...steps.map((step) => step.id)];
      const tries = {
        pause: accepted(snapshot, { kind: 'PauseRun' }),
        resume: accepted(snapshot, { kind: 'ResumeRun' }),
        cancel: accepted(snapshot, { kind: 'CancelRun' }),
        approve: stepIds.some((stepId) => accepted(snapshot, { kind: 'Approve', stepId })),
        reject: stepIds.some((stepId) => accepted(snapshot, { kind: 'Reject', stepId })),
        settle: steps.some(({ id }) =>
          accepted(snapshot, { kind: 'SettleDoubt', stepId: id, outcome: 'refuted' }),
        ),
        skip: steps.some(({ id }) => accepted(snapshot, { kind: 'SkipStep', stepId: id })),
        budget: accepted(snapshot, { kind: 'RaiseBudget', limits: { maxSteps: 9999 } }),
      };
      const legal = Object.entries(tries).flatMap(([name, may]) => (may ? [name] : []));
      expect(legalCommands(snapshot, NOW).filter((name) => name in tries)).toEqual(legal);
    });
  });
});
