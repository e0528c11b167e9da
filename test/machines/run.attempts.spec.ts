import { describe, expect, it } from '@jest/globals';
import { decide } from '#machines/run/run.decide.js';
import { effectsOf } from '#machines/run/run.effects.js';
import { born, given, type Given } from './given.js';
import * as a from './samples.js';

const retry = { max: 3, backoffMs: 1000 };
const patient = a.withSteps([a.safeStep('a', { retry })]);
const unsafe = a.withSteps([a.unsafeStep('buy', { retry })]);
const LEGAL_AT_WORK = { state: 'executing', legal: ['pause', 'cancel'] as ('pause' | 'cancel')[] };

describe('a failed attempt', () => {
  const NOW = '2026-11-22T09:30:00.000Z';

  it('is followed by another one, each pause twice as long as the one before', () => {
    let run = given(patient, a.started());
    const waits: unknown[] = [];
    for (const attempt of [1, 2, 3]) {
      waits.push(decide(run.snapshot, a.reportFailure('a', attempt), NOW));
      run = run.and(a.retried('a', attempt + 1), a.fired(`timer:a:${attempt + 1}`));
    }
    expect(waits).toMatchObject([
      { type: 'step.retried', data: { attempt: 2, retryAt: '2026-11-22T09:30:01.000Z' } },
      { type: 'step.retried', data: { attempt: 3, retryAt: '2026-11-22T09:30:02.000Z' } },
      { type: 'step.retried', data: { attempt: 4, retryAt: '2026-11-22T09:30:04.000Z' } },
    ]);
    expect(decide(run.snapshot, a.reportFailure('a', 4), NOW)).toMatchObject({ type: 'step.failed' });
  });

  it('is followed by a pause of one day at most', () => {
    const mission = a.withSteps([a.safeStep('a', { retry: { max: 2, backoffMs: 86_400_000 } })]);
    const run = given(mission, a.started(), a.retried('a', 2), a.fired('timer:a:2'));
    expect(decide(run.snapshot, a.reportFailure('a', 2), NOW)).toMatchObject({
      data: { attempt: 3, retryAt: '2026-11-23T09:30:00.000Z' },
    });
  });

  it('leaves a timer, which begins the next attempt', () => {
    const run = given(patient, a.started(), a.retried('a', 2, '2026-11-22T09:00:59.000Z'));
    expect(effectsOf(run.snapshot)).toEqual([
      { id: 'timer:a:2', kind: 'timer', dueAt: '2026-11-22T09:00:59.000Z', durable: false },
    ]);
    run
      .when(a.record(a.fired('timer:a:2')))
      .then(a.event('timer.fired', { timer: 'timer:a:2', next: ['a'] }));
    expect(run.and(a.fired('timer:a:2')).effects()).toEqual(['execute:a:2']);
  });

  it('is the last one when the step says nothing of retries', () => {
    const run = given(a.withSteps([a.safeStep('a')]), a.started()).when(a.reportFailure('a'));
    run.then(a.event('step.failed', { stepId: 'a', attempt: 1, failure: a.failureOf() }));
  });

  it.each(['input', 'policy', 'model'] as const)('is the last one when its failure is one of %s', (kind) => {
    const run = given(patient, a.started()).when(a.reportFailure('a', 1, kind));
    run.then(a.event('step.failed', { stepId: 'a', attempt: 1, failure: a.failureOf(kind) }));
  });

  it('keeps the files it left behind', () => {
    const artifacts = [
      { path: 'a.png', type: 'screenshot' as const, mediaType: 'image/png', digest: a.DIGEST, bytes: 9 },
    ];
    const run = given(a.withSteps([a.safeStep('a')]), a.started());
    const command = { ...a.reportFailure('a'), artifacts } as ReturnType<typeof a.reportFailure>;
    const after = run
      .when(command)
      .then(a.event('step.failed', { stepId: 'a', attempt: 1, failure: a.failureOf(), artifacts }));
    expect(after.snapshot.context.steps[0]?.artifacts).toEqual(artifacts);
  });

  it('of the verification is followed by another attempt at a safe step', () => {
    const run = given(patient, a.started(), a.performed('a'), a.retried('a', 2), a.fired('timer:a:2'));
    expect(run.effects()).toEqual(['execute:a:2']);
  });
});

describe('news of an attempt that is over', () => {
  const second = given(patient, a.started(), a.retried('a', 2), a.fired('timer:a:2'));
  const stale: [string, Given, ReturnType<typeof a.event>][] = [
    ['its success', second, a.succeeded('a', 1)],
    ['its performance', second, a.performed('a', 1)],
    ['its failure', second, a.failed('a', 1)],
    ['its intent', second, a.intended('a', 1)],
    ['its retry', second, a.retried('a', 2)],
    ['an attempt left out', second, a.retried('a', 4)],
    ['its verification', second.and(a.performed('a', 2)), a.succeeded('a', 1)],
    [
      'its timer',
      given(patient, a.started(), a.retried('a', 2), a.fired('timer:a:2'), a.retried('a', 3)),
      a.fired('timer:a:2'),
    ],
    ['its doubt', doubtful(), a.doubted('buy', 2)],
    ['its settlement', doubtful().and(a.doubted('buy')), a.reconciled('buy', 'confirmed', 2)],
    ['its settlement as unknown', doubtful().and(a.doubted('buy')), a.reconciled('buy', 'unknown', 2)],
  ];

  it.each(stale)('is refused: %s', (_news, run, event) => {
    run.when(a.record(event)).thenRefused(LEGAL_AT_WORK);
  });

  it('is refused when it is a question about it', () => {
    given(a.withSteps([a.safeStep('a', { approval: true })]), a.started())
      .when(a.record(a.asked('a', a.DIGEST, 2)))
      .thenRefused(LEGAL_AT_WORK);
  });

  it.each(['a', 'nobody', 'constructor'])('is refused when it failed: step %s', (stepId) => {
    second.when(a.reportFailure(stepId, 1)).thenRefused(LEGAL_AT_WORK);
  });
});

/** An unsafe step whose owner died while it acted. */
function doubtful(): Given {
  return given(unsafe, a.started(), a.intended('buy'), a.recovered(2));
}

describe('a step that is not safe to repeat', () => {
  it('commits its intent before it acts', () => {
    const run = given(unsafe, a.started());
    expect(run.effects()).toEqual(['intend:buy:1']);
    expect(run.and(a.intended('buy')).effects()).toEqual(['execute:buy:1']);
  });

  it('commits it once', () => {
    given(unsafe, a.started(), a.intended('buy'))
      .when(a.record(a.intended('buy')))
      .thenRefused(LEGAL_AT_WORK);
  });

  it('needs no intent in a dry run, where nothing acts', () => {
    expect(born(unsafe, true).and(a.started()).effects()).toEqual(['execute:buy:1']);
  });

  it('gets another attempt when it failed before its intent', () => {
    const run = given(unsafe, a.started());
    expect(decide(run.snapshot, a.reportFailure('buy'), '2026-11-22T09:30:00.000Z')).toMatchObject({
      type: 'step.retried',
    });
  });

  it('gets no other attempt once it may have acted', () => {
    const acting = given(unsafe, a.started(), a.intended('buy'));
    for (const run of [acting, acting.and(a.performed('buy'))]) {
      const failedRun = run.when(a.reportFailure('buy'));
      failedRun.then(a.event('step.failed', { stepId: 'buy', attempt: 1, failure: a.failureOf() }));
    }
  });

  it('is in doubt when its owner died while it acted, and is not begun again', () => {
    const run = doubtful();
    expect([run.steps(), run.effects()]).toEqual([{ buy: 'inDoubt' }, ['note-doubt:buy:1']]);
    expect(run.and(a.doubted('buy')).effects()).toEqual(['reconcile:buy:1']);
  });

  it('that was seen to have happened is verified, and not begun again', () => {
    const run = doubtful().and(a.doubted('buy'), a.reconciled('buy', 'confirmed'));
    expect(run.effects()).toEqual(['verify:buy:1']);
  });

  it('that was seen not to have happened commits its intent anew', () => {
    const run = doubtful().and(a.doubted('buy'), a.reconciled('buy', 'refuted'));
    expect(run.effects()).toEqual(['intend:buy:1']);
    expect(run.log.at(-1)!.data).toMatchObject({ next: ['buy'] });
  });

  it('asks a person when nobody can tell: it is not done again, and not called done', () => {
    const run = doubtful().and(a.doubted('buy'), a.reconciled('buy', 'unknown'));
    expect(run.steps()['buy']).toBe('inQuestion');
    expect(run.effects()).toEqual([]);
    expect(run.status()).toBe('awaiting-approval');
    const said = (outcome: 'confirmed' | 'refuted') => run.and(a.reconciled('buy', outcome)).effects();
    expect(said('confirmed')).toEqual(['verify:buy:1']);
    expect(said('refuted')).toEqual(['intend:buy:1']);
    run
      .when({ kind: 'SettleDoubt', stepId: 'buy', outcome: 'confirmed' })
      .then(a.reconciled('buy', 'confirmed'));
    expect(run.and(a.event('step.skipped', { stepId: 'buy' })).steps()['buy']).toBe('skipped');
  });

  it('is in doubt also for a worker that had the run before, and knows nothing of what came between', () => {
    const again = a.event('run.recovered', { worker: 'wrk_1', epoch: 2 });
    const run = given(unsafe, a.started(), a.intended('buy'), again);
    expect(run.effects()).toEqual(['note-doubt:buy:1']);
  });

  it('is not in doubt for an owner that was only late', () => {
    const late = a.event('run.recovered', { worker: 'wrk_1', epoch: 2, continued: true });
    const run = given(unsafe, a.started(), a.intended('buy'), late);
    expect(run.effects()).toEqual(['execute:buy:1']);
  });

  it('stays in doubt over a pause that its owner died in', () => {
    const run = given(unsafe, a.started(), a.intended('buy'), a.pauseRequested(), a.recovered(2));
    expect(run.effects()).toEqual(['pause:1']);
    expect(run.and(a.paused(), a.resumed()).effects()).toEqual(['note-doubt:buy:1']);
  });
});

describe('a recovery', () => {
  it('repeats what is safe to repeat', () => {
    const run = given(patient, a.started(), a.recovered(2));
    expect(run.effects()).toEqual(['execute:a:1']);
    expect(run.snapshot.context).toMatchObject({ worker: 'wrk_2', epoch: 2 });
  });

  it('begins an unsafe step that has not said its intent', () => {
    expect(given(unsafe, a.started(), a.recovered(2)).effects()).toEqual(['intend:buy:1']);
  });

  it('verifies again what was performed', () => {
    const run = given(unsafe, a.started(), a.intended('buy'), a.performed('buy'), a.recovered(2));
    expect(run.effects()).toEqual(['verify:buy:1']);
  });

  it('leaves the deadline where the first start put it', () => {
    const mission = a.withSteps([a.safeStep('a')], { limits: { maxDurationMs: 60_000 } });
    const run = given(mission, a.started());
    expect(effectsOf(run.and(a.recovered(2)).snapshot)).toEqual(effectsOf(run.snapshot));
  });

  it.each([1, 3])('with epoch %d after epoch 1 is refused: somebody else is the owner', (epoch) => {
    given(patient, a.started())
      .when(a.record(a.recovered(epoch)))
      .thenRefused(LEGAL_AT_WORK);
  });

  it('of a run that nobody owned is refused', () => {
    born(patient)
      .when(a.record(a.recovered(1)))
      .thenRefused({ state: 'queued', legal: ['pause', 'cancel'] });
  });
});

describe('an unsafe attempt whose driver went away in the middle', () => {
  const begun = given(unsafe, a.started(), a.intended('buy'));
  const doubted = begun.and(a.doubted('buy'));

  it('is in doubt, and looked after', () => {
    expect(doubted.steps()).toEqual({ buy: 'reconciling' });
    expect(doubted.effects()).toEqual(['reconcile:buy:1']);
  });

  it('is begun again, with its intent said anew, only when it did not take effect', () => {
    expect(doubted.and(a.reconciled('buy', 'refuted')).effects()).toEqual(['intend:buy:1']);
    expect(doubted.and(a.reconciled('buy', 'unknown')).effects()).toEqual([]);
  });

  it('is in doubt also while its run is asked to pause', () => {
    const pausing = begun.and(a.pauseRequested()).and(a.doubted('buy'));
    expect([pausing.status(), pausing.steps()]).toEqual(['pausing', { buy: 'reconciling' }]);
    expect(pausing.effects()).toEqual(['pause:1']);
  });

  it('without an intent there is no doubt', () => {
    given(unsafe, a.started())
      .when(a.record(a.doubted('buy')))
      .thenRefused(LEGAL_AT_WORK);
  });
});

describe('an attempt that failed before it changed anything', () => {
  it('is followed by another one, also of an unsafe step', () => {
    const begun = given(unsafe, a.started(), a.intended('buy'));
    const untouched = { ...a.reportFailure('buy'), untouched: true } as ReturnType<typeof a.reportFailure>;
    expect(decide(begun.snapshot, a.reportFailure('buy'), '2026-11-22T09:30:00.000Z')).toMatchObject({
      type: 'step.failed',
    });
    const again = begun.and(a.retried('buy', 2));
    expect(decide(begun.snapshot, untouched, '2026-11-22T09:30:00.000Z')).toMatchObject({
      type: 'step.retried',
    });
    expect(again.and(a.fired('timer:buy:2')).effects()).toEqual(['intend:buy:2']);
  });
});

describe('a step with several drivers', () => {
  const NOW = '2026-11-22T09:30:00.000Z';
  const look = {
    id: 'look',
    title: 'look',
    do: 'browser.task' as const,
    with: { instruction: 'Look' },
    safeToRepeat: true,
    drivers: ['skyvern' as const, 'playwright' as const],
    retry: { max: 1, backoffMs: 1000 },
  };
  const mission = a.withSteps([look]);
  const at = (attempt: number) =>
    Array.from({ length: attempt - 1 }, (_, index) => index + 2).reduce(
      (run, next) => run.and(a.retried('look', next), a.fired(`timer:look:${next}`)),
      given(mission, a.started()),
    );
  const after = (attempt: number, kind?: 'input' | 'model' | 'policy') =>
    decide(at(attempt).snapshot, a.reportFailure('look', attempt, kind), NOW);

  it('gives each of them its tries, with no pause before the next driver', () => {
    expect(after(1)).toMatchObject({
      data: { attempt: 2, driver: 'skyvern', retryAt: '2026-11-22T09:30:01.000Z' },
    });
    expect(after(2)).toMatchObject({ data: { attempt: 3, driver: 'skyvern', retryAt: NOW } });
    expect(after(3)).toMatchObject({
      data: { attempt: 4, driver: 'playwright', retryAt: '2026-11-22T09:30:01.000Z' },
    });
    expect(after(4)).toMatchObject({ type: 'step.failed', data: { driver: 'playwright' } });
  });

  it('hands on what is final for one of them alone', () => {
    expect(after(1, 'model')).toMatchObject({ type: 'step.failed' });
    expect(after(2, 'model')).toMatchObject({ type: 'step.retried' });
    expect(after(2, 'policy')).toMatchObject({ type: 'step.failed' });
  });
});
