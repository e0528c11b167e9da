import { describe, expect, it } from '@jest/globals';
import type { Envelope } from '#events/envelope.js';
import { stepById } from '#machines/run/run.context.js';
import { LogUnavailableError, type EventLog, type StoredEvent } from '../../src/log/event-log.js';
import { createMemoryLog } from '../../src/log/memory.log.js';
import type { Worker } from '../../src/runs/worker.js';
import {
  createHost,
  fakeDriver,
  gives,
  step,
  stopHostsAfterEach,
  unsafe,
  untilAborted,
  type FakeDriver,
  type Host,
} from '../support/host.js';
import { cutOff, queueByHand, type CutOffLog } from '../support/logs.js';
import { gate, until } from '../support/wait.js';

stopHostsAfterEach();

const eventOf = async (host: Host, runId: string, type: string): Promise<StoredEvent> =>
  (await host.history(runId)).find(({ body }) => (body as Envelope).type === `skyagent.${type}`)!;
const actorsOf = async (host: Host, runId: string): Promise<string[]> =>
  (await host.history(runId)).map(({ body }) => (body as Envelope).actor);

/** A run in the hands of a worker that lost its log while a step was running, and that knows nothing of it. */
async function cutOffRun(
  steps: object[],
  driver: FakeDriver,
): Promise<{ host: Host; runId: string; log: CutOffLog; stale: Worker }> {
  const host = await createHost();
  const log = cutOff(host.log);
  const stale = await host.work(driver, { log });
  const runId = await host.submit(steps);
  await until('the step runs', () => driver.asked.length > 0);
  log.cut();
  return { host, runId, log, stale };
}

/** A second worker gets the wake-up again, as the queue does when the first says nothing for its lease. */
async function takeOver(host: Host, runId: string, driver: FakeDriver): Promise<Worker> {
  const queue = queueByHand(host.log);
  const worker = await host.work(driver, { log: queue });
  queue.deliver(await eventOf(host, runId, 'run.created'), 2);
  await host.tells(runId, 'run.recovered');
  return worker;
}

describe('a worker that is stopped', () => {
  it('parks its runs, and another finishes them after telling that it recovered them', async () => {
    const host = await createHost();
    const first = fakeDriver({ b: untilAborted });
    const worker = await host.work(first);
    const runId = await host.submit([step('a'), step('b', { needs: ['a'] })]);
    await until('b runs', () => first.times('b') === 1);
    await worker.stop();
    expect(worker.owned).toBe(0);
    expect(first.asked.at(-1)!.signal.aborted).toBe(true);
    expect(await host.told(runId)).toEqual(['run.created', 'run.started', 'step.succeeded a']);

    const second = fakeDriver();
    await host.work(second);
    const state = await host.ends(runId, 'succeeded');
    expect((await host.told(runId)).slice(3)).toEqual(['run.recovered', 'step.succeeded b', 'run.succeeded']);
    expect(second.asked.map(({ stepId }) => stepId)).toEqual(['b']);
    expect(state.snapshot.context.epoch).toBe(2);
  });

  it('lets an unsafe step finish before it gives the run back', async () => {
    const host = await createHost();
    const hold = gate();
    const driver = fakeDriver({ a: () => hold.promise.then(() => gives('done')) });
    const worker = await host.work(driver);
    const runId = await host.submit([unsafe('a'), step('b', { needs: ['a'] })]);
    await until('it acts', () => driver.times('a') === 1);
    const stopped = worker.stop();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(driver.asked[0]!.signal.aborted).toBe(false);
    hold.open();
    await stopped;
    expect(await host.told(runId)).toEqual([
      'run.created',
      'run.started',
      'step.started a',
      'step.succeeded a',
    ]);
  });

  it('carries out an unsafe step whose intent it has just committed: an intent without an act would be in doubt', async () => {
    const host = await createHost();
    const driver = fakeDriver();
    const stopping: { worker?: Worker; done?: Promise<void> } = {};
    const log: EventLog = {
      ...host.log,
      append: async (envelope, afterSeq) => {
        if (envelope.type === 'skyagent.step.started') stopping.done = stopping.worker!.stop();
        return host.log.append(envelope, afterSeq);
      },
    };
    stopping.worker = await host.work(driver, { log });
    const runId = await host.submit([unsafe('a')]);
    await until('it stops', () => stopping.done !== undefined);
    await stopping.done;
    expect(driver.times('a')).toBe(1);
    expect((await host.told(runId)).slice(2)).toEqual(['step.started a', 'step.succeeded a']);
  });

  it('stops although more runs wait than it may own', async () => {
    const host = await createHost();
    const driver = fakeDriver({ a: untilAborted });
    const worker = await host.work(driver, { maxRuns: 1 });
    const runs = [
      await host.submit([step('a')]),
      await host.submit([step('a')]),
      await host.submit([step('a')]),
    ];
    await until('the first runs', () => driver.asked.length === 1);
    await worker.stop();
    await host.work(fakeDriver());
    for (const runId of runs) await host.ends(runId, 'succeeded');
    expect(driver.asked).toHaveLength(1);
  });

  it('stops although another took its runs meanwhile', async () => {
    const { host, runId, log, stale } = await cutOffRun([step('a')], fakeDriver({ a: untilAborted }));
    await takeOver(host, runId, fakeDriver());
    await host.ends(runId, 'succeeded');
    const stopped = stale.stop();
    log.comeBack();
    await stopped;
    expect(stale.owned).toBe(0);
  });

  it('takes no run that it was about to load', async () => {
    const host = await createHost();
    const queue = queueByHand(host.log);
    const hold = gate();
    const log: EventLog = { ...queue, read: (...of) => hold.promise.then(() => host.log.read(...of)) };
    const driver = fakeDriver();
    const worker = await host.work(driver, { log });
    const runId = await host.submit([step('a')]);
    const delivery = queue.deliver(await eventOf(host, runId, 'run.created'), 2);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const stopped = worker.stop();
    hold.open();
    await stopped;
    expect(delivery.settled).toBe('released');
    expect(await host.told(runId)).toEqual(['run.created']);
  });
});

describe('a run that another worker takes over while its first owner is alive', () => {
  it('is fenced: the first owner appends nothing more, and what it was doing is aborted', async () => {
    const first = fakeDriver({ a: untilAborted, b: untilAborted });
    const { host, runId, log, stale } = await cutOffRun([step('a'), step('b')], first);
    await takeOver(host, runId, fakeDriver());
    await host.ends(runId, 'succeeded');
    const told = await host.told(runId);
    log.comeBack();
    await until('the first owner has let go', () => stale.owned === 0);
    expect(first.asked.map(({ signal }) => signal.aborted)).toEqual([true, true]);
    expect(await host.told(runId)).toEqual(told);
    expect(new Set((await actorsOf(host, runId)).slice(2)).size).toBe(1);
  });

  it('is fenced also while the second owner is still at work, which goes on undisturbed', async () => {
    const hold = gate();
    const first = fakeDriver({ a: untilAborted });
    const { host, runId, log, stale } = await cutOffRun([step('a')], first);
    const second = fakeDriver({ a: () => hold.promise.then(() => gives('fresh')) });
    await takeOver(host, runId, second);
    await until('the second is at work', () => second.times('a') === 1);
    log.comeBack();
    await until('the first owner has let go', () => stale.owned === 0);
    expect(first.asked[0]!.signal.aborted).toBe(true);
    expect(second.asked[0]!.signal.aborted).toBe(false);
    hold.open();
    await host.ends(runId, 'succeeded');
    expect((await host.told(runId)).slice(2)).toEqual(['run.recovered', 'step.succeeded a', 'run.succeeded']);
  });

  it('takes an outcome of the first owner for nothing, also when it comes first thing after the cut', async () => {
    const hold = gate();
    const first = fakeDriver({ a: () => hold.promise.then(() => gives('stale')) });
    const { host, runId, log, stale } = await cutOffRun([step('a')], first);
    const second = fakeDriver({ a: () => gives('fresh') });
    await takeOver(host, runId, second);
    await host.ends(runId, 'succeeded');
    hold.open();
    log.comeBack();
    await until('the first owner has let go', () => stale.owned === 0);
    const state = await host.state(runId);
    expect(stepById(state.snapshot.context, 'a')!.output!.inline).toBe('fresh');
    expect((await host.told(runId)).filter((told) => told === 'step.succeeded a')).toHaveLength(1);
  });

  it('is left alone by a wake-up that came while it had an owner', async () => {
    const host = await createHost();
    const hold = gate();
    const first = fakeDriver({ other: () => hold.promise.then(() => gives(null)) });
    const mine = queueByHand(host.log);
    await host.work(first, { log: mine });
    const runId = await host.submit([step('ask', { approval: true }), step('other')]);
    mine.deliver(await eventOf(host, runId, 'run.created'), 1);
    await host.tells(runId, 'step.approval-requested ask');
    await host.tell(runId, { kind: 'Approve', stepId: 'ask' });

    const second = fakeDriver();
    const queue = queueByHand(host.log);
    const other = await host.work(second, { log: queue });
    const delivery = queue.deliver(await eventOf(host, runId, 'step.approved'), 1);
    await until('it was settled', () => delivery.settled !== 'held');
    expect(delivery.settled).toBe('acked');
    expect(other.owned).toBe(0);
    hold.open();
    await host.ends(runId, 'succeeded');
    expect(second.asked).toEqual([]);
    expect(first.times('ask')).toBe(1);
  });

  it('has one owner when a first delivery has lain with a busy worker for longer than its lease', async () => {
    const host = await createHost();
    const runId = await host.submit([step('a')]);
    await host.tell(runId, { kind: 'PauseRun' });
    await host.tell(runId, { kind: 'ResumeRun' });
    const [busyQueue, quickQueue] = [queueByHand(host.log), queueByHand(host.log)];
    const [busy, quick] = [fakeDriver({ a: untilAborted }), fakeDriver({ a: untilAborted })];
    const busyWorker = await host.work(busy, { log: busyQueue });
    const quickWorker = await host.work(quick, { log: quickQueue });
    const resumed = await eventOf(host, runId, 'run.resumed');
    quickQueue.deliver(resumed, 2);
    await until('the quick one has it', () => quick.times('a') === 1);
    busyQueue.deliver(resumed, 1);
    await until('the busy one has it', () => busy.times('a') === 1);
    await host.tell(runId, { kind: 'PauseRun' });
    await until('the quick one has let go', () => quickWorker.owned === 0);
    await host.ends(runId, 'paused');
    await until('the busy one too', () => busyWorker.owned === 0);
    const epochs = (await host.state(runId)).snapshot.context.epoch;
    expect(epochs).toBe(2);
  });

  it('is left to whoever gets its wake-up when it rested and was woken in the same moment', async () => {
    const host = await createHost();
    const queue = queueByHand(host.log);
    const hints: ((runId: string) => void)[] = [];
    const log: EventLog = {
      ...queue,
      watchControl: (onControl) => {
        hints.push(onControl);
        return host.log.watchControl(onControl);
      },
      append: async (envelope, afterSeq) => {
        const seq = await host.log.append(envelope, afterSeq);
        if (envelope.type === 'skyagent.run.paused') {
          await host.tell(envelope.subject, { kind: 'ResumeRun' });
          hints[0]!(envelope.subject);
        }
        return seq;
      },
    };
    const first = fakeDriver({ a: untilAborted });
    const worker = await host.work(first, { log });
    const runId = await host.submit([step('a')]);
    const delivery = queue.deliver(await eventOf(host, runId, 'run.created'), 1);
    await until('it runs', () => first.times('a') === 1);
    await host.tell(runId, { kind: 'PauseRun' });
    await host.tells(runId, 'run.resumed');
    await until('the first owner has let go', () => worker.owned === 0);
    expect(delivery.settled).toBe('acked');
    expect(first.times('a')).toBe(1);
  });

  it('writes nothing when it only waits for a point in time, and its wake-up comes again', async () => {
    const host = await createHost();
    const queue = queueByHand(host.log);
    const worker = await host.work(fakeDriver(), { log: queue });
    const runId = await host.submit([step('a', { approval: true })], {
      limits: { maxDurationMs: 3_600_000 },
    });
    const created = await eventOf(host, runId, 'run.created');
    const first = queue.deliver(created, 1);
    await until('it rests', () => first.settled === 'acked');
    const told = await host.told(runId);
    const again = queue.deliver(created, 2);
    await until('it was settled', () => again.settled === 'acked');
    expect(await host.told(runId)).toEqual(told);
    expect(worker.owned).toBe(0);
  });

  it('is given back when it was paused and resumed before its owner could begin it', async () => {
    const host = await createHost();
    const runId = await host.submit([step('a')]);
    await host.tell(runId, { kind: 'PauseRun' });
    const hold = gate();
    let reads = 0;
    const queue = queueByHand({
      ...host.log,
      read: async (...of) => {
        const events = await host.log.read(...of);
        if (++reads === 1) await hold.promise;
        return events;
      },
    });
    const driver = fakeDriver();
    await host.work(driver, { log: queue });
    queue.deliver(await eventOf(host, runId, 'run.created'), 1);
    await until('its owner reads that it is paused', () => reads === 1);
    await host.tell(runId, { kind: 'ResumeRun' });
    const resumed = await eventOf(host, runId, 'run.resumed');
    const delivery = queue.deliver(resumed, 1);
    hold.open();
    await until('it was settled', () => delivery.settled !== 'held');
    expect(delivery.settled).toBe('released');
    queue.deliver(resumed, 2);
    await host.ends(runId, 'succeeded');
  });

  it('is given back when the log that was read is older than the wake-up', async () => {
    const host = await createHost();
    const runId = await host.submit([step('a')]);
    await host.tell(runId, { kind: 'PauseRun' });
    await host.tell(runId, { kind: 'ResumeRun' });
    const queue = queueByHand({
      ...host.log,
      read: async (...of) => (await host.log.read(...of)).slice(0, 2),
    });
    await host.work(fakeDriver(), { log: queue });
    const delivery = queue.deliver(await eventOf(host, runId, 'run.resumed'), 1);
    await until('it was settled', () => delivery.settled !== 'held');
    expect(delivery.settled).toBe('released');
  });
});

describe('an unsafe step whose worker died', () => {
  const crash = async (reconcile?: Parameters<typeof fakeDriver>[1]) => {
    const hold = gate();
    const first = fakeDriver({ a: () => hold.promise.then(() => gives('stale')) });
    const { host, runId, log, stale } = await cutOffRun([unsafe('a')], first);
    const second = fakeDriver({}, reconcile);
    await takeOver(host, runId, second);
    const finish = () => {
      hold.open();
      log.comeBack();
    };
    return { host, runId, second, finish, stale, first };
  };

  it('is in doubt, is not done again, and a person is asked when nobody can tell', async () => {
    const { host, runId, first, second, finish, stale } = await crash();
    await host.ends(runId, 'awaiting-approval');
    finish();
    await until('the stale owner has left', () => stale.owned === 0);
    expect(second.times('a')).toBe(0);
    expect((await host.told(runId)).slice(2)).toEqual([
      'step.started a',
      'run.recovered',
      'step.in-doubt a',
      'step.reconciled a',
    ]);
    await host.tell(runId, { kind: 'SettleDoubt', stepId: 'a', outcome: 'refuted' });
    await host.ends(runId, 'succeeded');
    expect([first.times('a'), second.times('a')]).toEqual([2, 0]);
  });

  it('counts as done when its driver finds that it took effect', async () => {
    const { host, runId, second, finish } = await crash(async () => ({
      outcome: 'confirmed',
      result: gives('found'),
    }));
    const state = await host.ends(runId, 'succeeded');
    finish();
    expect(second.times('a')).toBe(0);
    expect(stepById(state.snapshot.context, 'a')!.output!.inline).toBe('found');
  });

  it('is done again when its driver finds that it did not take effect', async () => {
    const { host, runId, second, finish } = await crash(async () => ({ outcome: 'refuted' }));
    await host.ends(runId, 'succeeded');
    finish();
    expect(second.times('a')).toBe(1);
    expect((await host.told(runId)).slice(-4)).toEqual([
      'step.reconciled a',
      'step.started a',
      'step.succeeded a',
      'run.succeeded',
    ]);
  });

  it('stays in doubt when the driver cannot look', async () => {
    const { host, runId, second, finish } = await crash(() => Promise.reject(new Error('cannot look')));
    await host.ends(runId, 'awaiting-approval');
    finish();
    expect(second.times('a')).toBe(0);
  });
});

describe('a worker that loses a run and gets it again', () => {
  it('does not repeat an unsafe step it has forgotten: that step is in doubt', async () => {
    const host = await createHost();
    const queue = queueByHand(host.log);
    const hints: ((runId: string) => void)[] = [];
    let away = false;
    const log: EventLog = {
      ...queue,
      read: (...of) => (away ? Promise.reject(new Error('away')) : host.log.read(...of)),
      watchControl: (onControl) => {
        hints.push(onControl);
        return host.log.watchControl(onControl);
      },
    };
    const driver = fakeDriver({ a: untilAborted });
    const worker = await host.work(driver, { log });
    const runId = await host.submit([unsafe('a')]);
    queue.deliver(await eventOf(host, runId, 'run.created'), 1);
    await until('it acts', () => driver.times('a') === 1);
    away = true;
    hints[0]!(runId);
    await until('the run is lost', () => worker.owned === 0);
    away = false;
    queue.deliver(await eventOf(host, runId, 'run.created'), 2);
    await host.ends(runId, 'awaiting-approval');
    expect(driver.times('a')).toBe(1);
    expect(await host.told(runId)).toContain('step.in-doubt a');
  });
});

describe('a log that does not answer for a while', () => {
  it('costs a run nothing but time', async () => {
    const host = await createHost();
    let failures = 2;
    const log: EventLog = {
      ...host.log,
      append: (envelope, afterSeq) =>
        failures-- > 0
          ? Promise.reject(new LogUnavailableError('away'))
          : host.log.append(envelope, afterSeq),
    };
    const driver = fakeDriver();
    await host.work(driver, { log });
    await host.ends(await host.submit([step('a')]), 'succeeded');
    expect(driver.times('a')).toBe(1);
    expect(host.faults).toEqual([]);
  });

  it('costs a run nothing but time also when it cannot be read', async () => {
    const host = await createHost();
    let failures = 1;
    const log: EventLog = {
      ...host.log,
      read: (...of) =>
        failures-- > 0 ? Promise.reject(new LogUnavailableError('away')) : host.log.read(...of),
    };
    const hold = gate();
    const driver = fakeDriver({ a: () => hold.promise.then(() => gives('done')) });
    await host.work(driver, { log });
    const runId = await host.submit([unsafe('a')]);
    await until('it acts', () => driver.times('a') === 1);
    await host.tell(runId, { kind: 'PauseRun' });
    await until('its owner tried to read', () => failures < 1);
    hold.open();
    await host.ends(runId, 'paused');
    expect(await host.told(runId)).not.toContain('run.recovered');
    expect(host.faults).toEqual([]);
  });
});

describe('a worker over many runs', () => {
  it('brings all of them to their end, over partitions', async () => {
    const host = await createHost(createMemoryLog(4));
    await host.work(fakeDriver(), { maxRuns: 5 });
    const runs = await Promise.all(Array.from({ length: 30 }, () => host.submit([step('a'), unsafe('b')])));
    for (const runId of runs) await host.ends(runId, 'succeeded');
    expect(host.faults).toEqual([]);
  });
});
