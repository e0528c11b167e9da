import { describe, expect, it } from '@jest/globals';
import { fail } from '../../src/failures/failures.js';
import { createHost, fakeDriver, gives, step, stopHostsAfterEach } from '../support/host.js';
import { timersByHand } from '../support/logs.js';
import { until } from '../support/wait.js';

stopHostsAfterEach();

const failsOnce = () => {
  let tries = 0;
  return () => (++tries === 1 ? Promise.reject(fail('page-status', 'no')) : gives('done'));
};
const HOUR = 3_600_000;

describe('a run that waits for long', () => {
  it('has no owner meanwhile, and goes on when its timer rings', async () => {
    const { log, timers, ring } = timersByHand();
    const host = await createHost(log);
    const worker = await host.work(fakeDriver({ a: failsOnce() }));
    const runId = await host.submit([step('a', { retry: { max: 1, backoffMs: HOUR } })]);
    await until('nobody owns it', () => timers.length === 1 && worker.owned === 0);
    expect(timers[0]).toMatchObject({ runId, name: 'timer:a:2' });
    expect(Date.parse(timers[0]!.dueAt) - Date.now()).toBeGreaterThan(HOUR - 60_000);
    await ring('timer:a:2');
    await host.ends(runId, 'succeeded');
    expect(await host.told(runId)).toEqual([
      'run.created',
      'run.started',
      'step.retried a',
      'timer.fired',
      'step.succeeded a',
      'run.succeeded',
    ]);
  });

  it('is woken by its deadline while a person is waited for, and pauses', async () => {
    const { log, timers, ring } = timersByHand();
    const host = await createHost(log);
    const worker = await host.work(fakeDriver());
    const runId = await host.submit([step('a', { approval: true })], { limits: { maxDurationMs: HOUR } });
    await host.ends(runId, 'awaiting-approval');
    await until('nobody owns it', () => timers.length === 1 && worker.owned === 0);
    await ring(`deadline:${HOUR}`);
    const state = await host.ends(runId, 'paused');
    expect(state.snapshot.context.exhausted).toBe('maxDurationMs');
  });

  it('is not moved by a timer that rings too late', async () => {
    const { log, timers, ring } = timersByHand();
    const host = await createHost(log);
    await host.work(fakeDriver({ a: failsOnce() }));
    const runId = await host.submit([step('a', { retry: { max: 1, backoffMs: HOUR } })]);
    await until('it waits', () => timers.length === 1);
    await host.tell(runId, { kind: 'CancelRun' });
    await ring('timer:a:2');
    await ring('timer:a:2');
    expect((await host.told(runId)).at(-1)).toBe('run.cancelled');
    expect(host.faults).toEqual([]);
  });

  it('is paused and resumed like any other, and waits again for what is left', async () => {
    const { log, timers, ring } = timersByHand();
    const host = await createHost(log);
    const worker = await host.work(fakeDriver({ a: failsOnce() }));
    const runId = await host.submit([step('a', { retry: { max: 1, backoffMs: HOUR } })]);
    await until('it waits', () => timers.length === 1 && worker.owned === 0);
    await host.tell(runId, { kind: 'PauseRun' });
    await ring('timer:a:2');
    expect((await host.told(runId)).at(-1)).toBe('run.paused');
    await host.tell(runId, { kind: 'ResumeRun' });
    await until('it waits again', () => timers.length === 2 && worker.owned === 0);
    expect(timers[1]).toEqual(timers[0]);
    await ring('timer:a:2');
    await host.ends(runId, 'succeeded');
  });
});
