import { describe, expect, it } from '@jest/globals';
import { stepById } from '#machines/run/run.context.js';
import { readStored } from '../../src/runs/run-state.js';
import {
  createHost,
  fakeDriver,
  gives,
  step,
  stopHostsAfterEach,
  unsafe,
  untilAborted,
  type Host,
} from '../support/host.js';
import { gate, until } from '../support/wait.js';

stopHostsAfterEach();

const dataOf = async (host: Host, runId: string, type: string): Promise<object[]> =>
  (await host.history(runId))
    .map((stored) => readStored(stored).event)
    .filter((event) => event.type === type)
    .map(({ data }) => data);

describe('a pause', () => {
  it('aborts a step that is safe to repeat, and is told only once the driver has settled', async () => {
    const host = await createHost();
    const hold = gate();
    const driver = fakeDriver({
      a: (task) =>
        untilAborted(task).catch(() => hold.promise.then(() => Promise.reject(new Error('aborted')))),
    });
    await host.work(driver);
    const runId = await host.submit([step('a')]);
    await until('it runs', () => driver.times('a') === 1);
    await host.tell(runId, { kind: 'PauseRun', reason: 'lunch' });
    await until('it was aborted', () => driver.asked[0]!.signal.aborted);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await host.told(runId)).toEqual(['run.created', 'run.started', 'run.pause-requested']);
    hold.open();
    await host.ends(runId, 'paused');
    expect(await dataOf(host, runId, 'run.paused')).toEqual([
      { quiescedAt: expect.any(String), interrupted: ['a'], cause: 'person', reason: 'lunch' },
    ]);
  });

  it('lets an unsafe step finish first, and keeps what it did', async () => {
    const host = await createHost();
    const hold = gate();
    const driver = fakeDriver({ a: () => hold.promise.then(() => gives('done')) });
    await host.work(driver);
    const runId = await host.submit([unsafe('a'), step('b', { needs: ['a'] })]);
    await until('it acts', () => driver.times('a') === 1);
    await host.tell(runId, { kind: 'PauseRun' });
    await host.tells(runId, 'run.pause-requested');
    expect(driver.asked[0]!.signal.aborted).toBe(false);
    hold.open();
    const state = await host.ends(runId, 'paused');
    expect(stepById(state.snapshot.context, 'a')).toMatchObject({ state: 'succeeded' });
    expect((await host.told(runId)).slice(-3)).toEqual([
      'run.pause-requested',
      'step.succeeded a',
      'run.paused',
    ]);
    expect(driver.times('b')).toBe(0);
  });

  it('is over with resume, and what was interrupted is done again from its start', async () => {
    const host = await createHost();
    const driver = fakeDriver({
      a: (task) => (driver.times('a') === 1 ? untilAborted(task) : gives('whole')),
    });
    await host.work(driver);
    const runId = await host.submit([step('a'), step('b', { needs: ['a'] })]);
    await until('it runs', () => driver.times('a') === 1);
    await host.tell(runId, { kind: 'PauseRun' });
    await host.ends(runId, 'paused');
    await host.tell(runId, { kind: 'ResumeRun', note: 'go on' });
    const state = await host.ends(runId, 'succeeded');
    expect(await host.told(runId)).toEqual([
      'run.created',
      'run.started',
      'run.pause-requested',
      'run.paused',
      'run.resumed',
      'step.succeeded a',
      'step.succeeded b',
      'run.succeeded',
    ]);
    expect(state.snapshot.context.notes).toEqual(['go on']);
    expect(driver.asked.map(({ stepId, attempt }) => `${stepId} ${attempt}`)).toEqual(['a 1', 'a 1', 'b 1']);
  });

  it('before anybody owns the run holds it until it is resumed', async () => {
    const host = await createHost();
    const runId = await host.submit([step('a')]);
    await host.tell(runId, { kind: 'PauseRun' });
    const driver = fakeDriver();
    await host.work(driver);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(driver.asked).toEqual([]);
    await host.tell(runId, { kind: 'ResumeRun' });
    await host.ends(runId, 'succeeded');
    expect(await host.told(runId)).toEqual([
      'run.created',
      'run.paused',
      'run.resumed',
      'run.started',
      'step.succeeded a',
      'run.succeeded',
    ]);
  });

  it('and resume, many times over, does every step once in the end', async () => {
    const host = await createHost();
    const driver = fakeDriver({
      a: async () => new Promise((resolve) => setTimeout(() => resolve(gives(null)), 3)),
    });
    await host.work(driver);
    const ids = Array.from({ length: 8 }, (_, index) => `a${index}`);
    driver.acts.a = () => gives(null);
    const runId = await host.submit(
      ids.map((id, index) => step(id, index > 0 ? { needs: [ids[index - 1]] } : {})),
    );
    for (let round = 0; round < 5; round++) {
      await host.tell(runId, { kind: 'PauseRun' }).catch(() => undefined);
      await until('it rests', async () =>
        ['paused', 'succeeded'].includes(String((await host.state(runId)).snapshot.value)),
      );
      await host.tell(runId, { kind: 'ResumeRun' }).catch(() => undefined);
    }
    await host.ends(runId, 'succeeded');
    const succeeded = (await host.told(runId)).filter((told) => told.startsWith('step.succeeded'));
    expect(succeeded).toEqual(ids.map((id) => `step.succeeded ${id}`));
    expect(host.faults).toEqual([]);
  });
});

describe('a cancel', () => {
  it('aborts what runs, and the run is cancelled once it has settled', async () => {
    const host = await createHost();
    const driver = fakeDriver({ a: untilAborted });
    const worker = await host.work(driver);
    const runId = await host.submit([step('a'), step('b', { needs: ['a'] })]);
    await until('it runs', () => driver.times('a') === 1);
    await host.tell(runId, { kind: 'CancelRun', reason: 'enough' });
    await host.ends(runId, 'cancelled');
    expect(await host.told(runId)).toEqual([
      'run.created',
      'run.started',
      'run.cancel-requested',
      'run.cancelled',
    ]);
    expect(await dataOf(host, runId, 'run.cancelled')).toEqual([{ interrupted: ['a'], reason: 'enough' }]);
    await until('nobody owns it', () => worker.owned === 0);
    expect(driver.times('b')).toBe(0);
  });

  it('of a run that rests needs no owner', async () => {
    const host = await createHost();
    const runId = await host.submit([step('a')]);
    await host.tell(runId, { kind: 'CancelRun' });
    expect(await host.told(runId)).toEqual(['run.created', 'run.cancelled']);
  });

  it('of a run that pauses wins over the pause', async () => {
    const host = await createHost();
    const hold = gate();
    const driver = fakeDriver({ a: () => hold.promise.then(() => gives(null)) });
    await host.work(driver);
    const runId = await host.submit([unsafe('a')]);
    await until('it acts', () => driver.times('a') === 1);
    await host.tell(runId, { kind: 'PauseRun' });
    await host.tell(runId, { kind: 'CancelRun' });
    hold.open();
    await host.ends(runId, 'cancelled');
    expect(await host.told(runId)).not.toContain('run.paused');
  });
});

describe('an approval', () => {
  it('of the plan is waited for, and nothing is done before it', async () => {
    const host = await createHost();
    const driver = fakeDriver();
    const worker = await host.work(driver);
    const runId = await host.submit([step('a')], { approval: 'plan' });
    await host.ends(runId, 'awaiting-approval');
    await until('nobody owns it meanwhile', () => worker.owned === 0);
    expect(driver.asked).toEqual([]);
    await host.tell(runId, { kind: 'Approve' });
    await host.ends(runId, 'succeeded');
  });

  it('of a step is waited for while others go on', async () => {
    const host = await createHost();
    const driver = fakeDriver();
    await host.work(driver);
    const runId = await host.submit([step('ask', { approval: true }), step('other')]);
    await host.tells(runId, 'step.succeeded other');
    await host.ends(runId, 'awaiting-approval');
    expect(driver.times('ask')).toBe(0);
    await host.tell(runId, { kind: 'Approve', stepId: 'ask' });
    await host.ends(runId, 'succeeded');
    expect(driver.times('ask')).toBe(1);
  });

  it('of a step that comes while its run is busy reaches the owner there is', async () => {
    const host = await createHost();
    const hold = gate();
    const driver = fakeDriver({ other: () => hold.promise.then(() => gives(null)) });
    await host.work(driver);
    const runId = await host.submit([step('ask', { approval: true }), step('other')]);
    await host.tells(runId, 'step.approval-requested ask');
    await host.tell(runId, { kind: 'Approve', stepId: 'ask' });
    await host.tells(runId, 'step.succeeded ask');
    hold.open();
    await host.ends(runId, 'succeeded');
    expect(await host.told(runId)).not.toContain('run.recovered');
  });

  it('that is refused fails the run in the words of the person', async () => {
    const host = await createHost();
    await host.work(fakeDriver());
    const runId = await host.submit([step('a')], { approval: 'plan' });
    await host.ends(runId, 'awaiting-approval');
    await host.tell(runId, { kind: 'Reject', reason: 'too dear' });
    const state = await host.ends(runId, 'failed');
    expect(state.snapshot.context.failure?.message).toBe('a person rejected the plan: too dear');
  });
});
