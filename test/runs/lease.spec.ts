import { describe, expect, it } from '@jest/globals';
import type { EventLog } from '../../src/log/event-log.js';
import { createLease } from '../../src/runs/lease.js';
import type { StepResult, StepTask } from '../../src/runtimes/driver.js';
import {
  createHost,
  fakeDriver,
  gives,
  stopHostsAfterEach,
  unsafe,
  untilAborted,
  step,
  type FakeDriver,
} from '../support/host.js';
import { cutOff, queueByHand } from '../support/logs.js';
import { gate, until } from '../support/wait.js';

stopHostsAfterEach();

describe('a lease', () => {
  const at = (now: number) => {
    const clock = { now };
    return { clock, lease: createLease(100, () => clock.now) };
  };

  it('is not held before the log has been asked', () => {
    expect(at(0).lease.held()).toBe(false);
  });

  it('is held for a fifth of the lease of the queue, counted from the question and not from the answer', () => {
    const { clock, lease } = at(50);
    lease.confirm(40);
    expect(lease.held()).toBe(true);
    clock.now = 59;
    expect(lease.held()).toBe(true);
    clock.now = 60;
    expect(lease.held()).toBe(false);
  });

  it('is not held by an answer that was long on its way', () => {
    const { clock, lease } = at(0);
    clock.now = 300;
    lease.confirm(150);
    expect(lease.held()).toBe(false);
  });

  it('is not shortened by an answer to an older question', () => {
    const { lease } = at(50);
    lease.confirm(50);
    lease.confirm(10);
    expect(lease.ageMs()).toBe(0);
  });

  it('ends before whoever takes the run over begins', () => {
    const { clock, lease } = at(0);
    lease.confirm(0);
    const heir = createLease(100, () => clock.now);
    heir.takeOver();
    while (lease.held()) clock.now++;
    expect(heir.othersForMs()).toBeGreaterThan(0);
    clock.now += 5;
    expect(heir.othersForMs()).toBe(0);
  });
});

/** The process stands still: no timer runs, and the clock goes on. */
function freeze(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe('an owner that was frozen for longer than its lease', () => {
  it('goes on with its run, and writes nothing about it, when nobody has taken the run meanwhile', async () => {
    const host = await createHost();
    const hold = gate();
    const driver = fakeDriver({ a: () => hold.promise.then(() => gives('done')) });
    await host.work(driver, { leaseMs: 100 });
    const runId = await host.submit([unsafe('a'), unsafe('b', { needs: ['a'] })]);
    await until('it acts', () => driver.times('a') === 1);
    freeze(300);
    hold.open();
    await host.ends(runId, 'succeeded');
    expect(await host.told(runId)).toEqual([
      'run.created',
      'run.started',
      'step.started a',
      'step.succeeded a',
      'step.started b',
      'step.succeeded b',
      'run.succeeded',
    ]);
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

describe('an owner that nobody told that it has lost its run', () => {
  /** A worker with a run in hand whose hints get lost, and the queue through which another gets the same run. */
  async function deafOwner(act: (task: StepTask) => Promise<StepResult>, leaseMs: number) {
    const host = await createHost();
    const log: EventLog = {
      ...host.log,
      watchControl: () => Promise.resolve({ stop: () => Promise.resolve() }),
    };
    const deaf = fakeDriver({ a: act });
    const worker = await host.work(deaf, { log, leaseMs });
    const runId = await host.submit([unsafe('a')]);
    await until('it is at work', () => deaf.times('a') === 1);
    const takeOver = async (heir: FakeDriver) => {
      const queue = queueByHand(host.log);
      await host.work(heir, { log: queue, leaseMs });
      queue.deliver((await host.history(runId))[0]!, 2);
      await host.tells(runId, 'run.recovered');
    };
    return { host, worker, runId, takeOver };
  }

  it('acts no more, and its successor does not act before that is certain', async () => {
    const acts: { who: string; at: number }[] = [];
    const act = (who: string) => async (task: StepTask) => {
      for (;;) {
        await task.mayAct();
        acts.push({ who, at: performance.now() });
        if (who === 'heir') return gives('done');
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    const { host, worker, runId, takeOver } = await deafOwner(act('deaf'), 500);
    const heir = fakeDriver({ a: act('heir') }, () => Promise.resolve({ outcome: 'refuted' }));
    await takeOver(heir);
    const takenAt = performance.now();
    await host.ends(runId, 'succeeded');
    await until('it has let go', () => worker.owned === 0);
    const first = acts.findIndex(({ who }) => who === 'heir');
    expect(acts.slice(first).map(({ who }) => who)).toEqual(['heir']);
    expect(acts[first]!.at - takenAt).toBeGreaterThan(100);
  });

  it('finds out by itself, although it does nothing', async () => {
    const { host, worker, runId, takeOver } = await deafOwner(untilAborted, 200);
    await takeOver(fakeDriver({}, () => Promise.resolve({ outcome: 'refuted' })));
    await host.ends(runId, 'succeeded');
    await until('it has let go', () => worker.owned === 0);
    expect(await host.told(runId)).not.toContain('step.failed a');
  });

  it('asks again when a copy of the log is behind what the log says', async () => {
    const host = await createHost();
    const hold = gate();
    let stale = 3;
    const log: EventLog = {
      ...host.log,
      read: (...of) => (of[1] !== undefined && stale-- > 0 ? Promise.resolve([]) : host.log.read(...of)),
    };
    const driver = fakeDriver({
      a: async (task) => {
        await hold.promise;
        await task.mayAct();
        return gives('done');
      },
    });
    await host.work(driver, { log, leaseMs: 100 });
    const runId = await host.submit([unsafe('a'), step('ask', { approval: true })]);
    await host.tells(runId, 'step.approval-requested ask');
    await host.tell(runId, { kind: 'Approve', stepId: 'ask' });
    freeze(100);
    hold.open();
    await host.ends(runId, 'succeeded');
    expect(stale).toBeLessThanOrEqual(0);
  });
});

describe('two owners that took a run that had rested, neither with a word', () => {
  it('are one once the first of them has written', async () => {
    const host = await createHost();
    const first = queueByHand(host.log);
    const asking = await host.work(fakeDriver(), { log: first });
    const runId = await host.submit([step('ask', { approval: true }), unsafe('a', { needs: ['ask'] })]);
    first.deliver((await host.history(runId))[0]!, 1);
    await until('it rests', async () => asking.owned === 0 && (await host.told(runId)).length > 2);
    await host.tell(runId, { kind: 'Approve', stepId: 'ask' });
    const approved = (await host.history(runId)).at(-1)!;
    const hold = gate();
    const [one, other] = [queueByHand(host.log), queueByHand(host.log)];
    const acts: string[] = [];
    const actor = (who: string) =>
      fakeDriver({
        a: async (task) => {
          await task.mayAct();
          acts.push(who);
          await hold.promise;
          return gives(who);
        },
      });
    const workers = [
      await host.work(actor('one'), { log: one }),
      await host.work(actor('other'), { log: other }),
    ];
    one.deliver(approved, 1);
    other.deliver(approved, 1);
    await until('one acts', () => acts.length > 0);
    await until('the other has let go', () => workers.filter(({ owned }) => owned > 0).length === 1);
    hold.open();
    await host.ends(runId, 'succeeded');
    expect(acts).toHaveLength(1);
  });
});
