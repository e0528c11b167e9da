import { describe, expect, it } from '@jest/globals';
import type { WorkspaceCall } from '#events/actions/workspace.js';
import { missionRequestSchema } from '#events/mission.js';
import { stepById } from '#machines/run/run.context.js';
import { fail } from '../../src/failures/failures.js';
import { submitMission } from '../../src/runs/submit-mission.js';
import type { StepTask } from '../../src/runtimes/driver.js';
import {
  createHost,
  fakeDriver,
  gives,
  step,
  stopHostsAfterEach,
  unsafe,
  untilAborted,
} from '../support/host.js';
import { gate, until } from '../support/wait.js';

stopHostsAfterEach();

const argsOf = (task: StepTask): WorkspaceCall['args'] => (task.step.with as WorkspaceCall).args;

describe('a run', () => {
  it('goes from its mission to its end, step after step', async () => {
    const host = await createHost();
    const driver = fakeDriver();
    await host.work(driver);
    const runId = await host.submit([step('a'), step('b', { needs: ['a'] })]);
    await host.ends(runId, 'succeeded');
    expect(await host.told(runId)).toEqual([
      'run.created',
      'run.started',
      'step.succeeded a',
      'step.succeeded b',
      'run.succeeded',
    ]);
    expect(
      driver.asked.map(({ stepId, attempt, runId: of, idempotencyKey }) => ({
        stepId,
        attempt,
        of,
        idempotencyKey,
      })),
    ).toEqual([
      { stepId: 'a', attempt: 1, of: runId, idempotencyKey: `${runId}/a` },
      { stepId: 'b', attempt: 1, of: runId, idempotencyKey: `${runId}/b` },
    ]);
    expect(host.faults).toEqual([]);
  });

  it('has no owner any more once it has ended', async () => {
    const host = await createHost();
    const worker = await host.work(fakeDriver());
    await host.ends(await host.submit([step('a')]), 'succeeded');
    await until('the worker owns nothing', () => worker.owned === 0);
    expect(worker.owned).toBe(0);
  });

  it('does steps that need nothing of each other at the same time, up to maxParallel', async () => {
    const host = await createHost();
    const hold = gate();
    const driver = fakeDriver({
      a: () => hold.promise.then(() => gives(1)),
      b: () => hold.promise.then(() => gives(2)),
    });
    await host.work(driver);
    const runId = await host.submit([step('a'), step('b'), step('c')], { limits: { maxParallel: 2 } });
    await until('two were asked', () => driver.asked.length === 2);
    expect(driver.asked.map(({ stepId }) => stepId).toSorted()).toEqual(['a', 'b']);
    hold.open();
    await host.ends(runId, 'succeeded');
    expect(driver.times('c')).toBe(1);
  });

  it('hands the output of one step to the next', async () => {
    const host = await createHost();
    const driver = fakeDriver({ a: () => gives({ count: 3 }) });
    await host.work(driver);
    const args = {
      n: '{{ steps.a.output.count + 1 }}',
      text: 'got {{ steps.a.output.count }} for {{ inputs.who }}',
    };
    const steps = [step('a'), step('b', { needs: ['a'], with: { tool: 'noop', args } })];
    await host.ends(await host.submit(steps, { inputs: { who: 'Ada' } }), 'succeeded');
    expect(driver.asked[1]!.step.with).toEqual({ tool: 'noop', args: { n: 4, text: 'got 3 for Ada' } });
  });

  it('does a forEach step once for each item, and a child may fail when the step says so', async () => {
    const host = await createHost();
    const driver = fakeDriver({
      each: (task) => {
        if (task.stepId === 'each.1') throw fail('page-status', 'the page answered 500');
        return gives({ item: argsOf(task) });
      },
    });
    await host.work(driver);
    const with_ = { tool: 'noop', args: { is: '{{ item }}' } };
    const report = { tool: 'noop', args: { all: '{{ steps.each.output }}' } };
    const runId = await host.submit(
      [
        step('each', { forEach: '{{ inputs.list }}', onFailure: 'continue', with: with_ }),
        step('report', { needs: ['each'], with: report }),
      ],
      { inputs: { list: ['x', 'y', 'z'] } },
    );
    await host.ends(runId, 'succeeded');
    const told = await host.told(runId);
    expect(told.slice(0, 3)).toEqual(['run.created', 'run.started', 'step.expanded each']);
    expect(told.slice(3, 6).sort()).toEqual([
      'step.failed each.1',
      'step.succeeded each.0',
      'step.succeeded each.2',
    ]);
    expect(argsOf(driver.asked.at(-1)!).all).toEqual([
      { item: { is: 'x' } },
      {
        failure: expect.objectContaining({
          kind: 'site',
          code: 'page-status',
          message: 'the page answered 500',
        }),
      },
      { item: { is: 'z' } },
    ]);
  });

  it.each([
    ['a list of one, which JSONata calls its item', '{{ inputs.list[$ = "x"] }}', 1],
    ['an empty list, which JSONata calls nothing', '{{ inputs.list[$ = "nobody"] }}', 0],
  ])('does a forEach step over %s', async (_, forEach, children) => {
    const host = await createHost();
    const driver = fakeDriver();
    await host.work(driver);
    await host.ends(
      await host.submit([step('each', { forEach })], { inputs: { list: ['x', 'y'] } }),
      'succeeded',
    );
    expect(driver.asked).toHaveLength(children);
  });

  it('tries a failed step again after its pause, and no more often than it may', async () => {
    const host = await createHost();
    const driver = fakeDriver({
      a: (task) => {
        if (task.attempt < 3) throw fail('page-unreachable', `attempt ${task.attempt} failed`);
        return gives('at last');
      },
      b: () => Promise.reject(fail('page-unreachable', 'never')),
    });
    await host.work(driver);
    const runId = await host.submit([step('a', { retry: { max: 2, backoffMs: 20 } })]);
    await host.ends(runId, 'succeeded');
    const told = await host.told(runId);
    expect(told.slice(2)).toEqual([
      'step.retried a',
      'timer.fired',
      'step.retried a',
      'timer.fired',
      'step.succeeded a',
      'run.succeeded',
    ]);
    const failing = await host.ends(
      await host.submit([step('b', { retry: { max: 1, backoffMs: 1 } })]),
      'failed',
    );
    expect(driver.times('b')).toBe(2);
    expect(failing.snapshot.context.failure).toMatchObject({
      code: 'page-unreachable',
      message: 'step b: never',
    });
  });

  it('never begins the next attempt before its pause is over', async () => {
    const host = await createHost();
    const at: number[] = [];
    const driver = fakeDriver({
      a: (task) => {
        at.push(Date.now());
        if (task.attempt < 3) throw fail('page-unreachable', 'not yet');
        return gives(null);
      },
    });
    await host.work(driver);
    await host.ends(await host.submit([step('a', { retry: { max: 2, backoffMs: 40 } })]), 'succeeded');
    expect(at[1]! - at[0]!).toBeGreaterThanOrEqual(40);
    expect(at[2]! - at[1]!).toBeGreaterThanOrEqual(80);
  });

  it('fails when a step takes longer than its time-out, which aborts it', async () => {
    const host = await createHost();
    const driver = fakeDriver({ a: untilAborted });
    await host.work(driver);
    const state = await host.ends(await host.submit([step('a', { timeoutMs: 20 })]), 'failed');
    expect(state.snapshot.context.failure).toEqual({
      kind: 'timeout',
      code: 'step-timeout',
      message: 'step a: the step did not finish within 20 ms',
      hint: 'raise timeoutMs, or make the step smaller',
    });
    expect(driver.asked[0]!.signal.aborted).toBe(true);
  });

  it('uses the time-out of the worker for a step that names none', async () => {
    const host = await createHost();
    await host.work(fakeDriver({ a: untilAborted }), { stepTimeoutMs: 15 });
    const state = await host.ends(await host.submit([step('a')]), 'failed');
    expect(state.snapshot.context.failure?.message).toBe('step a: the step did not finish within 15 ms');
  });

  it('fails, and does not hang, when a driver throws what is none of its failures', async () => {
    const host = await createHost();
    const thrown = [new Error('boom'), 'just words', undefined];
    await host.work(fakeDriver({ a: () => Promise.reject(thrown.shift()) }));
    for (const message of ['step a: boom', 'step a: just words', 'step a: undefined']) {
      const state = await host.ends(await host.submit([step('a')]), 'failed');
      expect(state.snapshot.context.failure).toMatchObject({
        kind: 'infrastructure',
        code: 'step-crashed',
        message,
      });
    }
  });

  it('stops what still runs when a step fails, and ends only after it has stopped', async () => {
    const host = await createHost();
    const order: string[] = [];
    const driver = fakeDriver({
      bad: () => Promise.reject(fail('page-status', 'no')),
      slow: (task) =>
        untilAborted(task).catch(async (error: unknown) => {
          await new Promise((resolve) => setTimeout(resolve, 10));
          order.push('slow has stopped');
          throw error;
        }),
    });
    await host.work(driver);
    const runId = await host.submit([step('slow'), step('bad')]);
    await host.ends(runId, 'failed').then(() => order.push('run has failed'));
    expect(order).toEqual(['slow has stopped', 'run has failed']);
  });

  it('goes on after a failure when the step may fail', async () => {
    const host = await createHost();
    await host.work(fakeDriver({ a: () => Promise.reject(fail('page-status', 'no')) }));
    const runId = await host.submit([step('a', { onFailure: 'continue' }), step('b', { needs: ['a'] })]);
    const state = await host.ends(runId, 'succeeded');
    expect(stepById(state.snapshot.context, 'a')).toMatchObject({ state: 'failed' });
    expect(stepById(state.snapshot.context, 'b')).toMatchObject({ state: 'succeeded' });
  });

  it('pauses at its deadline, whatever is running, and goes on when that is raised', async () => {
    const host = await createHost();
    const driver = fakeDriver({ a: untilAborted });
    await host.work(driver);
    const runId = await host.submit([step('a')], { limits: { maxDurationMs: 30 } });
    await host.ends(runId, 'paused');
    driver.acts['a'] = () => gives('done');
    await host.tell(runId, { kind: 'RaiseBudget', limits: { maxDurationMs: 60_000 } });
    await host.tell(runId, { kind: 'ResumeRun' });
    const state = await host.ends(runId, 'succeeded');
    expect(state.snapshot.context.exhausted).toBeNull();
  });

  it('commits the intent of an unsafe step before the step acts', async () => {
    const host = await createHost();
    const seen: string[][] = [];
    const driver = fakeDriver({
      a: async (task) => {
        seen.push(await host.told(task.runId));
        return gives(null);
      },
    });
    await host.work(driver);
    const runId = await host.submit([unsafe('a')]);
    await host.ends(runId, 'succeeded');
    expect(seen).toEqual([['run.created', 'run.started', 'step.started a']]);
  });

  it('verifies a step that expects something, and fails with what the check found', async () => {
    const host = await createHost();
    await host.work(fakeDriver({ a: () => gives({ count: 2 }) }));
    const sound = await host.submit([step('a', { expect: [{ jsonata: 'output.count = 2' }] })]);
    await host.ends(sound, 'succeeded');
    expect(await host.told(sound)).toEqual([
      'run.created',
      'run.started',
      'step.performed a',
      'step.succeeded a',
      'run.succeeded',
    ]);
    const wrong = await host.submit([
      step('a', { expect: [{ jsonata: 'output.count = 3', message: 'three' }] }),
    ]);
    const state = await host.ends(wrong, 'failed');
    expect(state.snapshot.context.failure).toMatchObject({ kind: 'validation', code: 'check-failed' });
    expect(state.snapshot.context.failure?.message).toBe(
      'step a: check three failed: “output.count = 3” is false, not true',
    );
  });

  it('validates the whole by its success checks, which see the outputs they name', async () => {
    const host = await createHost();
    await host.work(fakeDriver({ a: () => gives({ count: 2 }) }));
    const planOf = (jsonata: string) => ({ plan: { steps: [step('a')], success: [{ jsonata }] } });
    const sound = await host.submit([], planOf('steps.a.output.count = 2'));
    await host.ends(sound, 'succeeded');
    expect((await host.told(sound)).slice(-2)).toEqual(['validation.passed', 'run.succeeded']);
    const wrong = await host.submit([], planOf('steps.a.output.count = 3'));
    const state = await host.ends(wrong, 'failed');
    expect(state.snapshot.context.failure?.message).toContain(
      '“steps.a.output.count = 3” is false, not true',
    );
  });

  it('sees in an expect the outputs of other steps', async () => {
    const host = await createHost();
    await host.work(fakeDriver({ a: () => gives(2), b: () => gives(2) }));
    const check = { jsonata: 'output = steps.a.output' };
    await host.ends(
      await host.submit([step('a'), step('b', { needs: ['a'], expect: [check] })]),
      'succeeded',
    );
    expect(host.faults).toEqual([]);
  });

  it('touches nothing in a dry run, and marks every event', async () => {
    const host = await createHost();
    const driver = fakeDriver();
    await host.work(driver);
    const request = missionRequestSchema.parse({
      plan: { steps: [unsafe('a'), step('b', { expect: [{ text: 'x' }] })] },
    });
    const context = { actor: 'operator:test', causationid: 'req_1', dryRun: true };
    const { runId } = await submitMission(host.log, request, context);
    await host.ends(runId, 'succeeded');
    expect(driver.asked).toEqual([]);
    const marks = (await host.history(runId)).map(({ body }) => (body as { simulated?: boolean }).simulated);
    expect(new Set(marks)).toEqual(new Set([true]));
  });

  it('that is words alone fails without a planner, and says what to do', async () => {
    const host = await createHost();
    await host.work(fakeDriver());
    const request = missionRequestSchema.parse({ objective: 'buy milk' });
    const { runId } = await submitMission(host.log, request, {
      actor: 'me',
      causationid: 'req_1',
      dryRun: false,
    });
    const state = await host.ends(runId, 'failed');
    expect(state.snapshot.context.failure).toMatchObject({ kind: 'model', code: 'no-planner' });
  });
});

describe('a worker', () => {
  it('owns no more runs at a time than it may, and takes the next when one ends', async () => {
    const host = await createHost();
    const holds = new Map([1, 2, 3].map((n) => [n, gate()]));
    let [now, most] = [0, 0];
    const driver = fakeDriver({
      a: async (task) => {
        most = Math.max(most, ++now);
        await holds.get(Number(task.mission.inputs.n))!.promise;
        now--;
        return gives(null);
      },
    });
    await host.work(driver, { maxRuns: 2 });
    const runs = await Promise.all([1, 2, 3].map((n) => host.submit([step('a')], { inputs: { n } })));
    await until('two run', () => driver.asked.length === 2);
    for (const hold of holds.values()) hold.open();
    for (const runId of runs) await host.ends(runId, 'succeeded');
    expect(most).toBe(2);
  });
});
