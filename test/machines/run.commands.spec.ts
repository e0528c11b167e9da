import { describe, expect, it } from '@jest/globals';
import type { CommandName } from '#events/run.commands.js';
import { effectsOf } from '#machines/run/run.effects.js';
import { decide, legalCommands, type RunCommand } from '#machines/run/run.decide.js';
import { born, given, timeOf, type Given } from './given.js';
import * as a from './samples.js';

const PAUSE: RunCommand = { kind: 'PauseRun', reason: 'wait' };
const RESUME: RunCommand = { kind: 'ResumeRun' };
const CANCEL: RunCommand = { kind: 'CancelRun', reason: 'enough' };
const APPROVE: RunCommand = { kind: 'Approve' };
const REJECT: RunCommand = { kind: 'Reject' };

const two = a.withSteps([a.safeStep('a'), a.unsafeStep('b')]);
const checked = a.missionOf({ plan: a.planOf([a.safeStep('a')], [{ text: 'done' }]) });
const reviewed = a.withSteps([a.safeStep('a')], { approval: 'plan' });
const guarded = a.withSteps([a.unsafeStep('a', { approval: true })]);

/** A run in every state a command can find it in, and what a person may do there. */
const states: [string, Given, CommandName[]][] = [
  ['queued', born(two), ['pause', 'cancel', 'fork']],
  ['planning', given(a.missionOf(), a.started()), ['pause', 'cancel', 'budget', 'takeover', 'fork']],
  [
    'awaiting-approval',
    given(reviewed, a.started()),
    ['pause', 'cancel', 'approve', 'reject', 'skip', 'budget', 'takeover', 'fork'],
  ],
  ['executing', given(two, a.started()), ['pause', 'cancel', 'budget', 'takeover', 'fork']],
  [
    'executing',
    given(a.withSteps([a.safeStep('a'), a.safeStep('b', { needs: ['a'] })]), a.started()),
    ['pause', 'cancel', 'skip', 'budget', 'takeover', 'fork'],
  ],
  [
    'awaiting-approval',
    given(guarded, a.started(), a.asked('a')),
    ['pause', 'cancel', 'approve', 'reject', 'skip', 'budget', 'takeover', 'fork'],
  ],
  [
    'validating',
    given(checked, a.started(), a.succeeded('a')),
    ['pause', 'cancel', 'budget', 'takeover', 'fork'],
  ],
  ['pausing', given(two, a.started(), a.pauseRequested()), ['cancel', 'fork']],
  [
    'paused',
    given(two, a.started(), a.pauseRequested(), a.paused()),
    ['resume', 'cancel', 'skip', 'budget', 'takeover', 'fork'],
  ],
  ['cancelling', given(two, a.started(), a.cancelRequested()), ['fork']],
  [
    'succeeded',
    given(checked, a.started(), a.succeeded('a'), a.validated(), a.runSucceeded(1)),
    ['retry', 'fork'],
  ],
  ['failed', given(two, a.started(), a.failed('a'), a.runFailed()), ['retry', 'fork']],
  ['cancelled', given(two, a.cancelled()), ['retry', 'fork']],
];
const commands: [CommandName, RunCommand][] = [
  ['pause', PAUSE],
  ['resume', RESUME],
  ['cancel', CANCEL],
  ['approve', APPROVE],
  ['reject', REJECT],
];

describe('a command that is not legal', () => {
  it.each(states)('is refused while a run is %s, with what is legal instead', (state, run, legal) => {
    const illegal = commands.filter(([name]) => !legal.includes(name));
    const basic = legal.filter((name) => commands.some(([known]) => known === name));
    for (const [, command] of illegal) run.when(command).thenRefused({ state, legal: basic });
    expect(illegal.length).toBe(5 - basic.length);
    expect(legalCommands(run.snapshot, timeOf(3))).toEqual(legal);
  });

  it('is refused in words that name the state and the way out', () => {
    expect(decide(given(two, a.started()).snapshot, RESUME, timeOf(3))).toEqual({
      refused: 'illegal-command',
      message:
        'ResumeRun is not legal while the run is executing; legal now: pause, cancel, budget, takeover, fork',
      state: 'executing',
      legal: ['pause', 'cancel', 'budget', 'takeover', 'fork'],
    });
  });

  it('says what is left when the run is over', () => {
    expect(decide(given(two, a.cancelled()).snapshot, PAUSE, timeOf(3))).toMatchObject({
      message: 'PauseRun is not legal while the run is cancelled; legal now: retry, fork',
    });
  });
});

describe('a pause', () => {
  const pausable: [string, Given][] = [
    ['planning', given(a.missionOf(), a.started())],
    ['executing', given(two, a.started(), a.intended('b'), a.performed('a'))],
    ['validating', given(checked, a.started(), a.succeeded('a'))],
    ['concluding', given(two, a.started(), a.failed('a'))],
  ];

  it.each(pausable)(
    'of a run that is %s is asked for first, and stops everything that may be stopped',
    (_state, run) => {
      const pausing = run.when(PAUSE).then(a.event('run.pause-requested', { reason: 'wait' }));
      expect(pausing.status()).toBe('pausing');
      expect(pausing.effects().filter((id) => !id.startsWith('execute:b'))).toEqual(['pause:1']);
      expect(pausing.and(a.paused()).effects()).toEqual([]);
    },
  );

  it.each(pausable)('of a run that is %s ends exactly where it began', (_state, run) => {
    const resumed = run.and(a.pauseRequested(), a.paused(), a.resumed());
    expect(resumed.snapshot.value).toEqual(run.snapshot.value);
    expect(resumed.effects()).toEqual(run.effects());
    expect(resumed.steps()).toEqual(run.steps());
  });

  const resting: [string, Given][] = [
    ['queued', born(two)],
    ['waiting for the approval of its plan', given(reviewed, a.started())],
    ['waiting for the approval of a step', given(guarded, a.started(), a.asked('a'))],
  ];

  it.each(resting)('of a run that is %s happens at once', (_state, run) => {
    const pausedRun = run.when(PAUSE).then(
      a.event('run.paused', {
        cause: 'person',
        quiescedAt: timeOf(run.log.length + 2),
        interrupted: [],
        reason: 'wait',
      }),
    );
    expect(pausedRun.state()).toBe('paused');
    expect(pausedRun.and(a.resumed()).snapshot.value).toEqual(run.snapshot.value);
  });

  it('lets the act of an unsafe step go on, and no other', () => {
    const run = given(two, a.started(), a.intended('b'), a.pauseRequested());
    expect(run.effects()).toEqual(['execute:b:1', 'pause:1']);
  });

  it('stops an unsafe step that has not said its intent', () => {
    expect(given(two, a.started(), a.pauseRequested()).effects()).toEqual(['pause:1']);
  });

  it('keeps an outcome that comes late, and starts nothing after it', () => {
    const mission = a.withSteps([a.safeStep('a'), a.safeStep('b', { needs: ['a'] })]);
    const run = given(mission, a.started(), a.pauseRequested(), a.succeeded('a'));
    expect(run.steps()).toEqual({ a: 'succeeded', b: 'waiting' });
    expect(run.log.at(-1)!.data).not.toHaveProperty('next');
    const resumed = run.and(a.paused(), a.resumed());
    expect(resumed.effects()).toEqual(['execute:b:1']);
    expect(resumed.log.at(-1)!.data).toMatchObject({ next: ['b'] });
  });

  it('keeps a failure that comes late, and fails the run after it is resumed', () => {
    const run = given(two, a.started(), a.pauseRequested(), a.failed('a'), a.paused(), a.resumed());
    expect(run.state()).toBe('active.concluding');
  });

  it('ends when the run is cancelled', () => {
    given(two, a.started(), a.pauseRequested()).when(CANCEL).then(a.cancelRequested());
    const cancelled = given(two, a.started(), a.pauseRequested(), a.paused()).when(CANCEL);
    expect(cancelled.then(a.event('run.cancelled', { interrupted: [], reason: 'enough' })).state()).toBe(
      'cancelled',
    );
  });

  it('stops the clock of the deadline', () => {
    const mission = a.withSteps([a.safeStep('a')], { limits: { maxDurationMs: 60_000 } });
    const run = given(mission, a.started());
    expect(effectsOf(run.snapshot)).toContainEqual(deadlineAt('2026-11-22T09:01:01.000Z'));
    // asked for, paused at 09:00:03, resumed at 09:00:04: one second that does not count
    const resumed = run.and(a.pauseRequested(), a.paused(), a.resumed());
    expect(effectsOf(resumed.snapshot)).toContainEqual(deadlineAt('2026-11-22T09:01:02.000Z'));
    const again = resumed.and(a.pauseRequested(), a.paused(), a.resumed());
    expect(effectsOf(again.snapshot)).toContainEqual(deadlineAt('2026-11-22T09:01:03.000Z'));
  });

  it('of a run that has not started leaves its deadline alone', () => {
    const mission = a.withSteps([a.safeStep('a')], { limits: { maxDurationMs: 60_000 } });
    const run = given(mission, a.paused(), a.resumed(), a.started());
    expect(effectsOf(run.snapshot)).toContainEqual(deadlineAt('2026-11-22T09:01:03.000Z'));
  });

  const deadlineAt = (dueAt: string) => ({ id: 'deadline:60000', kind: 'timer', dueAt, durable: true });
});

describe('a resume', () => {
  it('carries the words of a person to the later steps', () => {
    const run = given(two, a.started(), a.pauseRequested(), a.paused());
    const resumed = run
      .when({ kind: 'ResumeRun', note: 'mind the gap' })
      .then(a.event('run.resumed', { note: 'mind the gap' }));
    expect(resumed.snapshot.context.notes).toEqual(['mind the gap']);
    const twice = resumed.and(a.pauseRequested(), a.paused(), a.resumed('and the step'));
    expect(twice.snapshot.context.notes).toEqual(['mind the gap', 'and the step']);
  });

  it('forgets why the run was paused', () => {
    const run = given(two, a.started(), a.pauseRequested());
    expect(run.snapshot.context.reason).toBe('wait');
    expect(run.and(a.paused(), a.resumed()).snapshot.context.reason).toBeNull();
  });
});

describe('a cancel', () => {
  it('of a run at work stops everything, also unsafe acts', () => {
    const run = given(two, a.started(), a.intended('b')).when(CANCEL).then(a.cancelRequested());
    expect([run.status(), run.effects()]).toEqual(['cancelling', ['cancel']]);
    expect(run.and(a.cancelled(['b'])).state()).toBe('cancelled');
  });

  it('of a run at rest happens at once', () => {
    const cancelled = born(two)
      .when(CANCEL)
      .then(a.event('run.cancelled', { interrupted: [], reason: 'enough' }));
    expect(cancelled.state()).toBe('cancelled');
  });

  it('keeps an outcome that comes late', () => {
    const run = given(two, a.started(), a.cancelRequested(), a.succeeded('a'));
    expect(run.steps()).toMatchObject({ a: 'succeeded' });
  });
});

describe('the approval of a plan', () => {
  it('comes before every step, whoever made the plan', () => {
    expect(given(reviewed, a.started()).effects()).toEqual([]);
    const planned = given(
      a.missionOf({ approval: 'plan' }),
      a.started(),
      a.proposed(a.planOf([a.safeStep('x')])),
    );
    expect([planned.status(), planned.effects()]).toEqual(['awaiting-approval', []]);
  });

  it('starts the plan', () => {
    const run = given(reviewed, a.started()).when({ kind: 'Approve', note: 'fine' });
    expect(run.then(a.event('plan.approved', { note: 'fine', next: ['a'] })).effects()).toEqual([
      'execute:a:1',
    ]);
  });

  it('cannot come before there is a plan', () => {
    given(a.missionOf({ approval: 'plan' }), a.started())
      .when(APPROVE)
      .thenRefused({ state: 'planning', legal: ['pause', 'cancel'] });
  });

  it('when refused fails the run with the words of the person', () => {
    const run = given(reviewed, a.started()).when({ kind: 'Reject', reason: 'too dear' });
    const rejected = run.then(a.event('plan.rejected', { reason: 'too dear' }));
    expect(rejected.snapshot.context.failure).toMatchObject({
      kind: 'human',
      code: 'plan-rejected',
      message: 'a person rejected the plan: too dear',
    });
    expect(rejected.effects()).toEqual(['conclude:1']);
  });
});

describe('the approval of a step', () => {
  const waiting = given(guarded, a.started(), a.asked('a'));

  it('is asked for with the hash of the arguments, before anything is done', () => {
    const run = given(guarded, a.started());
    expect(run.log.at(-1)!.data).toMatchObject({ next: ['a'] });
    expect(run.effects()).toEqual(['ask-approval:a:1']);
    expect(run.and(a.asked('a')).effects()).toEqual([]);
  });

  it('is not asked for twice', () => {
    waiting
      .when(a.record(a.asked('a', a.OTHER_DIGEST)))
      .thenRefused({ state: 'awaiting-approval', legal: ['pause', 'cancel', 'approve', 'reject'] });
  });

  it('names the hash that was asked about, and lets the step act', () => {
    const expected = { stepId: 'a', argumentHash: a.DIGEST, note: 'go', next: ['a'] };
    const run = waiting
      .when({ kind: 'Approve', stepId: 'a', note: 'go' })
      .then(a.event('step.approved', expected));
    expect([run.status(), run.effects()]).toEqual(['executing', ['intend:a:1']]);
  });

  it('of other arguments than were asked about is refused', () => {
    waiting
      .when(a.record(a.approved('a', a.OTHER_DIGEST)))
      .thenRefused({ state: 'awaiting-approval', legal: ['pause', 'cancel', 'approve', 'reject'] });
  });

  it.each(['a', 'nobody'])('cannot come before it was asked for: step %s', (stepId) => {
    const run = given(guarded, a.started());
    run.when({ kind: 'Approve', stepId }).thenRefused({ state: 'executing', legal: ['pause', 'cancel'] });
    run.when({ kind: 'Reject', stepId }).thenRefused({ state: 'executing', legal: ['pause', 'cancel'] });
  });

  it('when refused fails the step with the words of the person', () => {
    const run = waiting.when({ kind: 'Reject', stepId: 'a', reason: 'too dear' });
    const rejected = run.then(a.event('step.rejected', { stepId: 'a', reason: 'too dear' }));
    expect(rejected.steps()).toEqual({ a: 'failed' });
    expect(rejected.snapshot.context.failure?.message).toBe('step a: a person rejected this step: too dear');
  });

  it('outlives a pause: what was asked is still asked', () => {
    const run = waiting.and(a.paused(), a.resumed());
    expect([run.status(), run.effects()]).toEqual(['awaiting-approval', []]);
    expect(run.and(a.approved('a')).effects()).toEqual(['intend:a:1']);
  });

  it('that cannot be asked for fails the step, with no other attempt', () => {
    const mission = a.withSteps([a.safeStep('a', { approval: true, retry: { max: 3, backoffMs: 1 } })]);
    const run = given(mission, a.started()).when(a.reportFailure('a', 1, 'infrastructure'));
    const expected = { stepId: 'a', attempt: 1, failure: a.failureOf('infrastructure') };
    expect(run.then(a.event('step.failed', expected)).steps()).toEqual({ a: 'failed' });
  });

  it('does not keep other steps from running', () => {
    const mission = a.withSteps([a.safeStep('a', { approval: true }), a.safeStep('b')], {
      limits: { maxParallel: 1 },
    });
    const run = given(mission, a.started(), a.asked('a'));
    expect([run.status(), run.effects()]).toEqual(['executing', ['execute:b:1']]);
  });
});
