import { describe, expect, it } from '@jest/globals';
import { born, given } from './given.js';
import * as a from './samples.js';

const chain = [a.safeStep('read'), a.safeStep('write', { needs: ['read'] })];

describe('a run', () => {
  it('goes from queued to succeeded, one event a transition', () => {
    const mission = a.missionOf({ plan: a.planOf(chain, [{ text: 'done' }]) });
    const run = given(mission, a.started(), a.succeeded('read'), a.performed('write'), a.succeeded('write'));
    expect(run.status()).toBe('validating');
    const over = run.and(a.validated(2), a.runSucceeded(2));
    expect([over.state(), over.effects()]).toEqual(['succeeded', []]);
    expect(over.snapshot.context.checksPassed).toBe(2);
  });

  it('rests in the queue until a worker takes it', () => {
    const run = born(a.missionOf());
    expect([run.status(), run.effects()]).toEqual(['queued', []]);
  });

  it('asks for a plan when the mission brings none', () => {
    const run = given(a.missionOf(), a.started());
    expect([run.status(), run.effects()]).toEqual(['planning', ['plan:1']]);
  });

  it('fails with the failure of its planning', () => {
    const run = given(a.missionOf(), a.started(), a.event('plan.failed', { failure: a.failureOf('model') }));
    expect(run.effects()).toEqual(['conclude:1']);
    expect(run.snapshot.context.failure?.kind).toBe('model');
    expect(run.and(a.runFailed()).state()).toBe('failed');
  });

  it('needs no planning when the mission brings a plan, and names the steps it starts', () => {
    born(a.withSteps(chain))
      .when(a.record(a.started()))
      .then(a.event('run.started', { worker: 'wrk_1', epoch: 1, next: ['read'] }));
  });

  it('names the steps that a success sets free', () => {
    const run = given(a.withSteps(chain), a.started());
    const { data } = run.and(a.succeeded('read')).log.at(-1)!;
    expect(data).toMatchObject({ stepId: 'read', next: ['write'] });
  });

  it('leaves `next` out when a transition starts nothing', () => {
    const run = given(a.withSteps(chain), a.started(), a.performed('read'));
    expect(run.log.at(-1)!.data).not.toHaveProperty('next');
  });

  it('succeeds without a validation when there is nothing to check', () => {
    const run = given(a.withSteps([a.safeStep('read')]), a.started(), a.succeeded('read'));
    expect(run.effects()).toEqual(['validate:1']);
    expect(run.and(a.runSucceeded()).state()).toBe('succeeded');
  });

  it('may not succeed unvalidated when there is something to check', () => {
    const mission = a.missionOf({ plan: a.planOf([a.safeStep('read')], [{ text: 'done' }]) });
    given(mission, a.started(), a.succeeded('read'))
      .when(a.record(a.runSucceeded()))
      .thenRefused({ state: 'validating', legal: ['pause', 'cancel'] });
  });

  it('refuses a validation that shows no evidence, which would leave it stuck', () => {
    const mission = a.missionOf({ plan: a.planOf([a.safeStep('read')], [{ text: 'done' }]) });
    given(mission, a.started(), a.succeeded('read'))
      .when(a.record(a.validated(0)))
      .thenRefused({ state: 'validating', legal: ['pause', 'cancel'] });
  });

  it('fails when its validation does', () => {
    const run = given(a.withSteps([a.safeStep('read')]), a.started(), a.succeeded('read'), a.refuted());
    expect(run.snapshot.context.failure?.kind).toBe('validation');
    run.when(a.record(a.runSucceeded())).thenRefused({ state: 'validating', legal: ['pause', 'cancel'] });
  });

  it('fails with the failure of its step, named by the step', () => {
    const run = given(a.withSteps(chain), a.started(), a.failed('read'));
    expect(run.snapshot.context.failure?.message).toBe('step read: it went wrong');
    expect([run.effects(), run.steps()]).toEqual([['conclude:1'], { read: 'failed', write: 'waiting' }]);
  });

  it('goes on after a step that may fail', () => {
    const mission = a.withSteps([
      a.safeStep('read', { onFailure: 'continue' }),
      a.safeStep('write', { needs: ['read'] }),
    ]);
    const run = given(mission, a.started(), a.failed('read'));
    expect(run.steps()).toEqual({ read: 'failed', write: 'running' });
  });

  it('keeps the outcome of an unsafe act that ends after another step failed, and waits for it', () => {
    const mission = a.withSteps([a.unsafeStep('buy'), a.safeStep('read')]);
    const run = given(mission, a.started(), a.intended('buy'), a.failed('read'));
    expect(run.effects()).toEqual(['execute:buy:1', 'conclude:1']);
    expect(run.and(a.succeeded('buy')).steps()).toEqual({ buy: 'succeeded', read: 'failed' });
  });
});

describe('steps', () => {
  it('run side by side once what they need is there, up to maxParallel', () => {
    const steps = [a.safeStep('a'), a.safeStep('b'), a.safeStep('c'), a.safeStep('d', { needs: ['a', 'b'] })];
    const run = given(a.withSteps(steps, { limits: { maxParallel: 2 } }), a.started());
    expect(run.effects()).toEqual(['execute:a:1', 'execute:b:1']);
    const later = run.and(a.succeeded('a'));
    expect(later.effects()).toEqual(['execute:b:1', 'execute:c:1']);
    expect(later.and(a.succeeded('b')).effects()).toEqual(['execute:c:1', 'execute:d:1']);
  });

  it('run four at a time unless the mission says otherwise', () => {
    const steps = ['a', 'b', 'c', 'd', 'e'].map((id) => a.safeStep(id));
    expect(given(a.withSteps(steps), a.started()).effects()).toHaveLength(4);
  });

  it('hold their place while they are verified', () => {
    const mission = a.withSteps([a.safeStep('a'), a.safeStep('b')], { limits: { maxParallel: 1 } });
    const run = given(mission, a.started(), a.performed('a'));
    expect(run.effects()).toEqual(['verify:a:1']);
  });

  it('give their place away while they wait for the next attempt, and wait for one afterwards', () => {
    const retry = { max: 1, backoffMs: 1000 };
    const mission = a.withSteps([a.safeStep('a', { retry }), a.safeStep('b')], {
      limits: { maxParallel: 1 },
    });
    const run = given(mission, a.started(), a.retried('a', 2));
    expect(run.effects()).toEqual(['timer:a:2', 'execute:b:1']);
    const due = run.and(a.fired('timer:a:2'));
    expect(due.effects()).toEqual(['execute:b:1']);
    const free = due.and(a.succeeded('b'));
    expect(free.effects()).toEqual(['execute:a:2']);
    expect(free.log.at(-1)!.data).toMatchObject({ next: ['a'] });
  });

  it('wait for a free place after their approval', () => {
    const mission = a.withSteps([a.safeStep('a', { approval: true }), a.safeStep('b')], {
      limits: { maxParallel: 1 },
    });
    const run = given(mission, a.started(), a.asked('a'), a.approved('a'));
    expect(run.effects()).toEqual(['execute:b:1']);
    expect(run.and(a.succeeded('b')).effects()).toEqual(['execute:a:1']);
  });
});

describe('a forEach step', () => {
  const each = (options = {}) => a.safeStep('each', { forEach: '{{ inputs.list }}', ...options });
  const last = a.safeStep('last', { needs: ['each'] });

  it('is expanded, not carried out', () => {
    expect(given(a.withSteps([each(), last]), a.started()).effects()).toEqual(['expand:each:1']);
  });

  it('becomes its children, which run up to maxParallel', () => {
    const run = given(
      a.withSteps([each(), last], { limits: { maxParallel: 2 } }),
      a.started(),
      a.expanded('each', 3),
    );
    expect(run.effects()).toEqual(['execute:each.0:1', 'execute:each.1:1']);
    expect(run.log.at(-1)!.data).toMatchObject({ next: ['each.0', 'each.1'] });
  });

  it('succeeds with the last of its children, and sets free what needs it', () => {
    const run = given(a.withSteps([each(), last]), a.started(), a.expanded('each', 2), a.succeeded('each.1'));
    expect(run.steps()).toMatchObject({ each: 'expanded', last: 'waiting' });
    expect(run.and(a.succeeded('each.0')).steps()).toMatchObject({ each: 'succeeded', last: 'running' });
  });

  it('of an empty list succeeds at once', () => {
    const run = given(a.withSteps([each(), last]), a.started(), a.expanded('each', 0));
    expect(run.steps()).toEqual({ each: 'succeeded', last: 'running' });
  });

  it('succeeds although a child failed when it may fail', () => {
    const mission = a.withSteps([each({ onFailure: 'continue' }), last]);
    const run = given(mission, a.started(), a.expanded('each', 2), a.failed('each.0'), a.succeeded('each.1'));
    expect(run.steps()).toEqual({
      each: 'succeeded',
      last: 'running',
      'each.0': 'failed',
      'each.1': 'succeeded',
    });
  });

  it('fails its run with the first child that may not fail', () => {
    const run = given(a.withSteps([each(), last]), a.started(), a.expanded('each', 2), a.failed('each.0'));
    expect(run.snapshot.context.failure?.message).toBe('step each.0: it went wrong');
    expect(run.effects()).toEqual(['conclude:1']);
  });

  it('may not become more children than maxSteps leaves room for', () => {
    const run = given(a.withSteps([each(), last], { limits: { maxSteps: 4 } }), a.started());
    run.when(a.record(a.expanded('each', 3))).thenRefused({ state: 'executing', legal: ['pause', 'cancel'] });
    expect(run.and(a.expanded('each', 2)).steps()).toHaveProperty('each.1');
  });

  it('asks once for all of its children when it needs an approval', () => {
    const mission = a.withSteps([each({ approval: true }), last]);
    const run = given(mission, a.started(), a.asked('each'), a.approved('each'), a.expanded('each', 2));
    expect(run.effects()).toEqual(['execute:each.0:1', 'execute:each.1:1']);
  });
});

describe('a deadline', () => {
  const mission = a.withSteps([a.safeStep('a', { approval: true })], { limits: { maxDurationMs: 60_000 } });

  it('is a timer of the run, from its start on', () => {
    expect(born(mission).effects()).toEqual([]);
    expect(given(mission, a.started()).effects()).toEqual(['ask-approval:a:1', 'deadline:60000']);
  });

  it('pauses the run wherever it works, until it is raised', () => {
    const run = given(mission, a.started(), a.fired('deadline:60000'));
    expect(run.state()).toBe('pausing');
    const paused = run.and(a.paused());
    expect(paused.snapshot.context).toMatchObject({ exhausted: 'maxDurationMs', failure: null });
    paused.when({ kind: 'ResumeRun' }).thenRefused({ state: 'paused', legal: ['cancel'] });
    const raised = paused.and(a.event('budget.raised', { limits: { maxDurationMs: 90_000 } }));
    expect(raised.and(a.resumed()).effects()).toEqual(['ask-approval:a:1', 'deadline:90000']);
  });

  it('that was raised meanwhile does not count any more', () => {
    const run = given(mission, a.started(), a.event('budget.raised', { limits: { maxDurationMs: 90_000 } }));
    run
      .when(a.record(a.fired('deadline:60000')))
      .thenRefused({ state: 'executing', legal: ['pause', 'cancel'] });
  });
});
