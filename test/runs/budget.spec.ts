import { describe, expect, it } from '@jest/globals';
import type { RunContext } from '#machines/run/run.context.js';
import { BudgetExhaustedError, createBudgets } from '../../src/runs/budget.js';
import { createHost, fakeDriver, gives, step, stopHostsAfterEach, unsafe } from '../support/host.js';
import { gate, until } from '../support/wait.js';

stopHostsAfterEach();

const contextWith = (limits: object, spent = { tokens: 0, costUsd: 0 }) =>
  ({ limits, spent }) as unknown as RunContext;

describe('the budgets of a run', () => {
  it('set aside the most a call may cost before it is made, also against other steps', () => {
    const budgets = createBudgets(() => contextWith({ maxTokens: 100 }));
    const [one, other] = [budgets.open('one'), budgets.open('other')];
    const call = one.reserve({ tokens: 60, costUsd: 0 });
    expect(() => other.reserve({ tokens: 60, costUsd: 0 })).toThrow(BudgetExhaustedError);
    call.settle({ tokens: 20, costUsd: 0 });
    expect(one.used).toEqual({ tokens: 20, costUsd: 0 });
    other.reserve({ tokens: 60, costUsd: 0 });
    expect(() => one.reserve({ tokens: 21, costUsd: 0 })).toThrow(
      'limits.maxTokens is 100; 101 would be needed',
    );
  });

  it('count what the log knows, and what it will be told', () => {
    const spent = { tokens: 0, costUsd: 0.4 };
    const budgets = createBudgets(() => contextWith({ maxCostUsd: 1 }, spent));
    const one = budgets.open('one');
    one.reserve({ tokens: 0, costUsd: 0.5 }).settle({ tokens: 0, costUsd: 0.5 });
    expect(() => one.reserve({ tokens: 0, costUsd: 0.2 })).toThrow(BudgetExhaustedError);
    spent.costUsd = 0.9;
    budgets.close('one');
    budgets.open('two').reserve({ tokens: 0, costUsd: 0.1 });
  });
});

describe('an unsafe step that finds its budget used up while its run is asked to pause', () => {
  it('ends without an act, and the run is paused for its budget', async () => {
    const host = await createHost();
    const hold = gate();
    const driver = fakeDriver({
      buy: async (task) => {
        if (task.budget.used === undefined) await hold.promise;
        task.budget.reserve({ tokens: 500, costUsd: 0 });
        return gives('bought');
      },
    });
    await host.work(driver);
    const runId = await host.submit([unsafe('buy')], { limits: { maxTokens: 100 } });
    await until('it is at work', () => driver.times('buy') === 1);
    await host.tell(runId, { kind: 'PauseRun' });
    hold.open();
    const paused = await host.ends(runId, 'paused');
    expect(paused.snapshot.context.exhausted).toBe('maxTokens');
    expect(driver.times('buy')).toBe(1);
    await host.tell(runId, { kind: 'RaiseBudget', limits: { maxTokens: 1000 } });
    await host.tell(runId, { kind: 'ResumeRun' });
    await host.ends(runId, 'succeeded');
    expect(await host.told(runId)).not.toContain('run.quarantined');
  });
});

describe('a run with a priced model', () => {
  const CALL = { tokens: 40, costUsd: 0.01 };

  it('pauses before the call that would go over its limit, and goes on when that is raised', async () => {
    const host = await createHost();
    const calls: string[] = [];
    const driver = fakeDriver({
      think: async (task) => {
        for (let turn = 0; turn < 4; turn++) {
          const reservation = task.budget.reserve(CALL);
          calls.push(`${task.attempt}.${turn}`);
          await Promise.resolve();
          reservation.settle(CALL);
        }
        return gives('thought');
      },
    });
    await host.work(driver);
    const runId = await host.submit([step('think')], { limits: { maxTokens: 100 } });
    const paused = await host.ends(runId, 'paused');
    expect(calls).toHaveLength(2);
    expect(paused.snapshot.context.spent).toEqual({ tokens: 80, costUsd: 0.02 });
    await host.tell(runId, { kind: 'RaiseBudget', limits: { maxTokens: 1000 } });
    await host.tell(runId, { kind: 'ResumeRun' });
    const done = await host.ends(runId, 'succeeded');
    expect(calls).toHaveLength(6);
    expect(done.snapshot.context.spent.tokens).toBe(240);
  });
});
