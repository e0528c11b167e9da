import { describe, expect, it } from '@jest/globals';
import type { RunCommand } from '#machines/run/run.decide.js';
import { given, timeOf, type Given } from './given.js';
import * as a from './samples.js';

const two = a.withSteps([a.safeStep('a'), a.safeStep('b', { needs: ['a'] })]);
const pausedRun = (): Given => given(two, a.started(), a.pauseRequested(), a.paused());
/** Until the tenth event. */
const UNTIL = timeOf(11);
const take = (lease: string): RunCommand => ({
  kind: 'TakeControl',
  lease,
  holder: 'operator:ann',
  expiresAt: UNTIL,
});
const taken = (lease: string, epoch = 1) =>
  a.event('control.taken', { lease, holder: 'operator:ann', expiresAt: UNTIL, epoch });

describe('the controls of a run', () => {
  it('are taken while it is paused, with an epoch that rises', () => {
    const held = pausedRun().when(take('one')).then(taken('one'));
    expect(held.snapshot.context.control).toMatchObject({ lease: 'one', holder: 'operator:ann', epoch: 1 });
    expect(held.status()).toBe('paused');
    const back = held.and(a.event('control.released', { lease: 'one', how: 'handback' }));
    const again = back.and(a.pauseRequested(), a.paused()).when(take('two')).then(taken('two', 2));
    expect(again.snapshot.context.controlEpoch).toBe(2);
  });

  it('are not taken from a run at work', () => {
    given(two, a.started())
      .when(take('one'))
      .thenRefused({ state: 'executing', legal: ['pause', 'cancel'] });
  });

  it('are not taken twice, and nobody else resumes the run meanwhile', () => {
    const held = pausedRun().and(taken('one'));
    held.when(take('two')).thenRefused({ state: 'paused', legal: ['cancel'] });
    held.when({ kind: 'ResumeRun' }).thenRefused({ state: 'paused', legal: ['cancel'] });
    held.when({ kind: 'HandBack', lease: 'two' }).thenRefused({ state: 'paused', legal: ['cancel'] });
    held
      .when({ kind: 'RenewControl', lease: 'two', expiresAt: UNTIL })
      .thenRefused({ state: 'paused', legal: ['cancel'] });
  });

  it('go back with the words of the person, and the run goes on where it stood', () => {
    const back = pausedRun()
      .and(taken('one'))
      .when({ kind: 'HandBack', lease: 'one', note: 'logged in' })
      .then(a.event('control.released', { lease: 'one', how: 'handback', note: 'logged in' }));
    expect(back.snapshot.context).toMatchObject({ control: null, notes: ['logged in'] });
    expect(back.effects()).toEqual(['execute:a:1']);
  });

  it('are free again when the lease has run out: the run stays paused', () => {
    const held = pausedRun().and(taken('one'));
    held.when({ kind: 'ExpireControl', lease: 'one' }).thenRefused({ state: 'paused', legal: ['cancel'] });
    const acted = a.event('control.acted', {
      lease: 'one',
      does: 'workspace.call',
      with: {},
      outcome: 'succeeded',
      durationMs: 1,
    });
    const late = held.and(acted, acted, acted, acted, acted);
    late
      .when({ kind: 'HandBack', lease: 'one' })
      .thenRefused({ state: 'paused', legal: ['resume', 'cancel'] });
    late.when(a.record(acted)).thenRefused({ state: 'paused', legal: ['resume', 'cancel'] });
    const expired = late
      .when({ kind: 'ExpireControl', lease: 'one' })
      .then(a.event('control.released', { lease: 'one', how: 'expired' }));
    expect(expired.status()).toBe('paused');
    expect(expired.snapshot.context.control).toBeNull();
  });
});

describe('a step that is skipped', () => {
  it('counts as done for those that need it', () => {
    const run = given(two, a.started())
      .when({ kind: 'SkipStep', stepId: 'b', reason: 'not needed' })
      .then(a.event('step.skipped', { stepId: 'b', reason: 'not needed' }));
    expect(run.and(a.succeeded('a')).state()).toBe('active.validating');
  });

  it('is not one that is at work, unless the run is paused', () => {
    given(two, a.started())
      .when({ kind: 'SkipStep', stepId: 'a' })
      .thenRefused({ state: 'executing', legal: ['pause', 'cancel'] });
    const skipped = pausedRun().and(a.event('step.skipped', { stepId: 'a' }));
    expect(skipped.and(a.resumed()).effects()).toEqual(['execute:b:1']);
  });
});

describe('a resume that plans again', () => {
  const first = a.planOf([
    a.safeStep('a'),
    a.safeStep('b', { needs: ['a'] }),
    a.safeStep('c', { needs: ['b'] }),
  ]);
  const second = a.planOf([
    a.safeStep('a'),
    a.unsafeStep('b', { needs: ['a'] }),
    a.safeStep('d', { needs: ['b'] }),
  ]);
  const run = given(a.missionOf(), a.started(), a.proposed(first), a.succeeded('a'), a.pauseRequested());

  it('asks for another plan, and keeps the finished steps that are in it word for word', () => {
    const replanning = run
      .and(a.paused())
      .when({ kind: 'ResumeRun', note: 'b must order', replan: true })
      .then(a.event('run.resumed', { note: 'b must order', replan: true }));
    expect(replanning.effects()).toEqual(['plan:2']);
    const planned = replanning.when(a.record(a.proposed(second))).then(
      a.event('plan.proposed', {
        plan: second,
        source: 'model',
        reason: 'because',
        kept: ['a'],
        next: ['b'],
      }),
    );
    expect(planned.steps()).toEqual({ a: 'succeeded', b: 'running', d: 'waiting' });
  });

  it('is refused when the plan is the person’s own', () => {
    pausedRun()
      .when({ kind: 'ResumeRun', replan: true })
      .thenRefused({ state: 'paused', legal: ['resume', 'cancel'] });
  });
});

describe('a budget', () => {
  const spent = a.event('budget.exhausted', {
    budget: 'maxTokens',
    limit: 100,
    wanted: 120,
    stepId: 'a',
    usage: { tokens: 60, costUsd: 0.5 },
  });
  const limited = a.withSteps([a.unsafeStep('a')], { limits: { maxTokens: 100 } });

  it('that is used up pauses the run, which counts what was spent until then', () => {
    const run = given(limited, a.started(), a.intended('a'), spent);
    expect(run.effects()).toEqual(['pause:1']);
    const paused = run.and(a.paused());
    expect(paused.snapshot.context).toMatchObject({
      exhausted: 'maxTokens',
      spent: { tokens: 60, costUsd: 0.5 },
      reason: 'limits.maxTokens is used up',
    });
    paused.when({ kind: 'ResumeRun' }).thenRefused({ state: 'paused', legal: ['cancel'] });
    const raised = paused.and(a.event('budget.raised', { limits: { maxTokens: 200 } }), a.resumed());
    // The driver stopped between two acts: the intent is said anew.
    expect(raised.effects()).toEqual(['intend:a:1']);
  });

  it('is raised and never lowered, and a limit that is not there is not made', () => {
    const run = given(limited, a.started());
    for (const limits of [{ maxTokens: 100 }, { maxTokens: 99 }, { maxCostUsd: 5 }, { maxSteps: 1000 }, {}])
      run
        .when({ kind: 'RaiseBudget', limits })
        .thenRefused({ state: 'executing', legal: ['pause', 'cancel'] });
    const more = run.and(a.event('budget.raised', { limits: { maxTokens: 101 } }));
    expect(more.snapshot.context.limits).toEqual({ maxTokens: 101 });
  });
});
