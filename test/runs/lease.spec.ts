import { describe, expect, it } from '@jest/globals';
import type { Envelope } from '#events/envelope.js';
import { createMemoryLog } from '../../src/log/memory.log.js';
import type { EventLog } from '../../src/log/event-log.js';
import { createLease } from '../../src/runs/lease.js';
import {
  createHost,
  fakeDriver,
  gives,
  stopHostsAfterEach,
  unsafe,
  step,
  type Host,
} from '../support/host.js';
import { cutOff, queueByHand } from '../support/logs.js';
import { gate, until } from '../support/wait.js';

stopHostsAfterEach();

describe('a lease', () => {
  it('is held while heartbeats follow each other, and is lost for good after one that came too late', () => {
    const clock = { now: 0 };
    const lease = createLease(100, () => clock.now);
    for (clock.now = 50; clock.now < 500; clock.now += 50) {
      expect(lease.held()).toBe(true);
      lease.beat(clock.now);
    }
    clock.now += 100;
    expect(lease.held()).toBe(false);
    lease.beat(clock.now);
    expect(lease.held()).toBe(false);
    lease.confirm(clock.now);
    expect(lease.held()).toBe(true);
  });

  it('counts a heartbeat from when it was sent, not from when it was heard', () => {
    const clock = { now: 0 };
    const lease = createLease(100, () => clock.now);
    clock.now = 90;
    lease.beat(10);
    clock.now = 110;
    expect(lease.held()).toBe(false);
  });

  it('is lost at once when the queue may have forgotten it, until the log confirms the owner', () => {
    const clock = { now: 5 };
    const lease = createLease(100, () => clock.now);
    lease.lapse();
    lease.beat(5);
    expect(lease.held()).toBe(false);
    lease.confirm(4);
    expect(lease.held()).toBe(false);
    lease.confirm(6);
    expect(lease.held()).toBe(true);
  });

  it('is not held by an answer of the log that was long on its way', () => {
    const clock = { now: 0 };
    const lease = createLease(100, () => clock.now);
    clock.now = 300;
    lease.confirm(150);
    expect(lease.held()).toBe(false);
  });
});

/** The process stands still: no timer runs, and the clock goes on. */
function freeze(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

const recoveredBy = async (host: Host, runId: string): Promise<string[]> =>
  (await host.history(runId))
    .map(({ body }) => body as Envelope)
    .filter(({ type }) => type === 'skyagent.run.recovered')
    .map(({ actor }) => actor);

describe('an owner that was frozen for longer than its lease', () => {
  it('claims its run anew before it acts again, and keeps what it had in hand', async () => {
    const host = await createHost();
    const hold = gate();
    const driver = fakeDriver({ a: () => hold.promise.then(() => gives('done')) });
    const worker = await host.work(driver, { leaseMs: 100 });
    const runId = await host.submit([unsafe('a'), unsafe('b', { needs: ['a'] })]);
    await until('it acts', () => driver.times('a') === 1);
    freeze(300);
    hold.open();
    await host.ends(runId, 'succeeded');
    expect(await host.told(runId)).toContain('run.recovered');
    expect(await recoveredBy(host, runId)).toEqual([`worker:${worker.id}`]);
    expect(driver.asked.map(({ stepId }) => stepId)).toEqual(['a', 'b']);
    expect(await host.told(runId)).not.toContain('step.in-doubt a');
  });

  it('does not act when it was frozen before it heard that it may begin', async () => {
    const host = await createHost();
    const hold = gate();
    const log: EventLog = {
      ...host.log,
      append: async (envelope, afterSeq) => {
        const seq = await host.log.append(envelope, afterSeq);
        if (envelope.type === 'skyagent.run.started') await hold.promise;
        return seq;
      },
      // Nobody tells it that another has the run.
      watchControl: () => Promise.resolve({ stop: () => Promise.resolve() }),
    };
    const frozen = fakeDriver();
    const worker = await host.work(frozen, { log, leaseMs: 100 });
    const runId = await host.submit([step('a')]);
    await host.tells(runId, 'run.started');
    const queue = queueByHand(host.log);
    await host.work(fakeDriver(), { log: queue });
    queue.deliver((await host.history(runId))[0]!, 2);
    await host.ends(runId, 'succeeded');
    freeze(300);
    await new Promise((resolve) => setTimeout(resolve, 50));
    hold.open();
    await until('it has let go', () => worker.owned === 0);
    expect(frozen.asked).toEqual([]);
  });

  it('does not act when another has taken the run meanwhile', async () => {
    const host = await createHost();
    const log = cutOff(host.log);
    const hold = gate();
    const frozen = fakeDriver({ a: () => hold.promise.then(() => gives('late')) });
    await host.work(frozen, { log, leaseMs: 100 });
    const runId = await host.submit([step('a'), unsafe('b', { needs: ['a'] })]);
    await until('it acts', () => frozen.times('a') === 1);
    log.cut();
    const queue = queueByHand(host.log);
    const heir = fakeDriver();
    await host.work(heir, { log: queue });
    queue.deliver((await host.history(runId))[0]!, 2);
    await host.ends(runId, 'succeeded');
    hold.open();
    freeze(200);
    log.comeBack();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(frozen.asked.map(({ stepId }) => stepId)).toEqual(['a']);
    expect(heir.asked.map(({ stepId }) => stepId)).toEqual(['a', 'b']);
  });

  it('stops a driver before its next action', async () => {
    const host = await createHost();
    const acted: string[] = [];
    const hold = gate();
    const log = cutOff(host.log);
    const driver = fakeDriver({
      a: async (task) => {
        await task.mayAct();
        acted.push('first');
        await hold.promise;
        await task.mayAct();
        acted.push('second');
        return gives('done');
      },
    });
    await host.work(driver, { log, leaseMs: 100 });
    const runId = await host.submit([unsafe('a')]);
    await until('it acts', () => acted.length === 1);
    log.cut();
    const queue = queueByHand(host.log);
    await host.work(
      fakeDriver({}, () => Promise.resolve({ outcome: 'unknown' })),
      { log: queue },
    );
    queue.deliver((await host.history(runId))[0]!, 2);
    await host.ends(runId, 'awaiting-approval');
    freeze(200);
    log.comeBack();
    hold.open();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(acted).toEqual(['first']);
  });
});

describe('an owner whose connection to the log is lost', () => {
  it('claims its run anew before it acts: the queue may have forgotten who has it', async () => {
    const log = createMemoryLog();
    let lose = (): void => undefined;
    const host = await createHost({ ...log, onLost: (work) => void (lose = work) });
    const hold = gate();
    const driver = fakeDriver({
      a: async (task) => {
        await hold.promise;
        await task.mayAct();
        return gives('done');
      },
    });
    const worker = await host.work(driver, { leaseMs: 60_000 });
    const runId = await host.submit([unsafe('a')]);
    await until('it acts', () => driver.times('a') === 1);
    lose();
    hold.open();
    await host.ends(runId, 'succeeded');
    expect(await recoveredBy(host, runId)).toEqual([`worker:${worker.id}`]);
    expect(await host.told(runId)).not.toContain('step.in-doubt a');
  });

  it('holds its run no longer than the last heartbeat that was heard', async () => {
    const log = createMemoryLog();
    const host = await createHost({ ...log, reached: () => Promise.resolve(false) });
    const hold = gate();
    const driver = fakeDriver({ a: () => hold.promise.then(() => gives('done')) });
    const worker = await host.work(driver, { leaseMs: 100 });
    const runId = await host.submit([unsafe('a')]);
    await host.tells(runId, 'run.recovered');
    hold.open();
    await host.ends(runId, 'succeeded');
    expect(new Set(await recoveredBy(host, runId))).toEqual(new Set([`worker:${worker.id}`]));
    expect(await host.told(runId)).not.toContain('step.in-doubt a');
  });
});
