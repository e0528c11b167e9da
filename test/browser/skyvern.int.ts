import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { stepSchema } from '#events/plan.js';
import type { Trace } from '#events/trace.js';
import { runFiles, type RunFiles } from '../../src/agentfs/agentfs.js';
import { InDoubtError, StepFailedError } from '../../src/failures/failures.js';
import { createSkyvernClient } from '../../src/runtimes/browser/skyvern/skyvern.client.js';
import { createSkyvernDriver } from '../../src/runtimes/browser/skyvern/skyvern.driver.js';
import { taskRequestOf } from '../../src/runtimes/browser/skyvern/task-request.js';
import { createSkyvernWakeUps, isSigned, runOfWebhook } from '../../src/runtimes/browser/skyvern/webhook.js';
import { LetGoError, type Driver, type StepTask } from '../../src/runtimes/driver.js';
import { UNTROUBLED } from '../support/budget.js';
import { startSkyvern, type FakeSkyvern } from '../support/fake-skyvern.js';
import { removeFolder, tempFolder } from '../support/temp.js';
import { until } from '../support/wait.js';

let skyvern: FakeSkyvern;
let folder: string;
let files: RunFiles;
let driver: Driver;
let traces: Trace[];
const wakeUps = createSkyvernWakeUps();

const driverAt = (
  url: string,
  settings: { key?: string; path?: string; pollMs?: [number, number]; webhookUrl?: string } = {},
) =>
  createSkyvernDriver({
    client: createSkyvernClient({
      baseUrl: url,
      apiPath: settings.path ?? '/v1',
      apiKey: settings.key ?? 'key-1',
    }),
    wakeUps,
    pollMs: settings.pollMs ?? [5, 20],
    webhookUrl: settings.webhookUrl,
    allowHosts: [new URL(url).host],
  });

beforeEach(async () => {
  skyvern = await startSkyvern({ key: 'key-1' });
  folder = await tempFolder();
  files = runFiles(folder, 'run_1');
  traces = [];
  driver = driverAt(skyvern.url);
});
afterEach(async () => {
  await skyvern.close();
  await removeFolder(folder);
});

function taskOf(task: object, more: Partial<StepTask> = {}): StepTask {
  const step = stepSchema.parse({
    id: 'a',
    title: 'a',
    do: 'browser.task',
    with: { instruction: 'Find it', ...task },
  });
  const signal = more.signal ?? new AbortController().signal;
  return {
    runId: 'run_1',
    stepId: 'a',
    attempt: 1,
    step,
    planned: step,
    idempotencyKey: 'run_1/a',
    mission: { inputs: {}, metadata: {} },
    files,
    signal,
    ...UNTROUBLED,
    mayAct: () => Promise.resolve(),
    trace: (trace) => void traces.push(trace),
    ...more,
  };
}
const failureOf = async (task: StepTask) => {
  const error: unknown = await driver.execute(task).catch((thrown: unknown) => thrown);
  if (!(error instanceof StepFailedError))
    throw new Error('it did not fail as a step does', { cause: error });
  return error.failure;
};

describe('a task for Skyvern', () => {
  it('is sent in its words, and nothing else is sent', () => {
    const request = taskRequestOf(
      {
        instruction: 'Find it',
        url: 'https://example.org/',
        schema: { type: 'object' },
        errors: { LOGIN: 'asks for a login' },
        maxActions: 7,
        skyvern: {
          engine: 'skyvern-2.0',
          model: { name: 'x' },
          proxyLocation: 'NONE',
          totpIdentifier: 'me',
          totpUrl: 'https://totp.example',
          browserProfileId: 'bp_1',
          extraHttpHeaders: { 'x-a': 'b' },
          maxScreenshotScrolls: 2,
          includeActionHistoryInVerification: true,
        },
      },
      { title: 'skyagent:run_1/a/1.1', webhookUrl: 'https://me.example/hooks/skyvern', sessionId: 'pbs_1' },
    );
    expect(request).toEqual({
      prompt: 'Find it',
      url: 'https://example.org/',
      title: 'skyagent:run_1/a/1.1',
      engine: 'skyvern-2.0',
      proxy_location: 'NONE',
      data_extraction_schema: { type: 'object' },
      error_code_mapping: { LOGIN: 'asks for a login' },
      max_steps: 7,
      webhook_url: 'https://me.example/hooks/skyvern',
      totp_identifier: 'me',
      totp_url: 'https://totp.example',
      browser_session_id: 'pbs_1',
      browser_profile_id: 'bp_1',
      model: { name: 'x' },
      extra_http_headers: { 'x-a': 'b' },
      include_action_history_in_verification: true,
      max_screenshot_scrolls: 2,
    });
    expect(taskRequestOf({ instruction: 'Only this' }, { title: 't' })).toEqual({
      prompt: 'Only this',
      title: 't',
    });
  });

  it('comes back with what was extracted, and with its files by digest', async () => {
    skyvern.files['/rec.webm'] = Buffer.from('video');
    skyvern.files['/shot.png'] = Buffer.from('png');
    skyvern.files['/bill.pdf'] = Buffer.from('%PDF');
    skyvern.plan.more = {
      output: { title: 'x' },
      step_count: 4,
      recording_url: `${skyvern.url}/rec.webm`,
      screenshot_urls: [`${skyvern.url}/shot.png`, `${skyvern.url}/gone.png`],
      downloaded_files: [{ url: `${skyvern.url}/bill.pdf`, filename: 'bill.pdf' }],
    };
    const result = await driver.execute(taskOf({ schema: { type: 'object' }, maxActions: 5 }));
    expect(result).toMatchObject({
      content: true,
      output: {
        status: 'completed',
        extracted: { title: 'x' },
        steps: 4,
        downloads: [{ filename: 'bill.pdf', bytes: 4 }],
      },
    });
    expect(result.artifacts!.map(({ type }) => type)).toEqual(['download', 'screenshot', 'video']);
    expect(Buffer.from(await files.read(result.artifacts![0]!.path)).toString()).toBe('%PDF');
    expect(result.evidence).toEqual([expect.objectContaining({ kind: 'file', bytes: 4 })]);
    expect(traces.map(({ args }) => (args as { status: string }).status)).toEqual([
      'queued',
      'running',
      'completed',
    ]);
    expect(new Set(skyvern.calls.map(({ key }) => key))).toEqual(new Set(['key-1']));
  });

  it('does not fetch files from inside the own network that are not Skyvern’s', async () => {
    const other = await startSkyvern();
    other.files['/secret.png'] = Buffer.from('secret');
    skyvern.plan.more = { screenshot_urls: [`${other.url}/secret.png`, 'http://169.254.169.254/latest'] };
    expect((await driver.execute(taskOf({}))).artifacts).toEqual([]);
    expect(other.calls).toEqual([]);
    await other.close();
  });

  const ends: [string, string, string][] = [
    ['failed', 'runtime', 'skyvern-failed'],
    ['terminated', 'model', 'task-unreachable'],
    ['timed_out', 'timeout', 'step-timeout'],
    ['canceled', 'human', 'task-canceled'],
  ];
  it.each(ends)('that ends %s fails as %s, %s', async (status, kind, code) => {
    skyvern.plan = {
      statuses: ['running', 'paused', status],
      more: {
        always: true,
        failure_reason: 'page words',
        errors: [{ error_code: 'LOGIN', reasoning: 'page words' }, { error_code: 'OTHER' }],
      },
    };
    const failure = await failureOf(taskOf({ errors: { LOGIN: 'asks for a login' } }));
    expect(failure).toMatchObject({ kind, code });
    expect(failure.message).toContain('(LOGIN)');
    expect(JSON.stringify(failure)).not.toContain('page words');
  });

  const refusals: [number, string, string][] = [
    [403, 'infrastructure', 'skyvern-refused'],
    [400, 'input', 'bad-arguments'],
    [422, 'input', 'bad-arguments'],
    [404, 'infrastructure', 'skyvern-unavailable'],
  ];
  it.each(refusals)('that is answered with %i fails as %s, %s', async (status, kind, code) => {
    skyvern.trouble.push(status);
    expect(await failureOf(taskOf({}))).toMatchObject({ kind, code });
    expect(skyvern.runs).toEqual([]);
  });

  it('waits while Skyvern is busy or away for a moment', async () => {
    skyvern.trouble.push(429, 429);
    expect((await driver.execute(taskOf({}))).output).toMatchObject({ status: 'completed' });
    skyvern.trouble.push(500, 'unheard');
    const note = 'memory/skyvern/a-1.json';
    expect(JSON.parse(new TextDecoder().decode(await files.read(note)))).toHaveLength(1);
    expect((await driver.execute(taskOf({}))).output).toMatchObject({ status: 'completed' });
    expect(skyvern.runs).toHaveLength(1);
  });

  it('is found under another base path, and without a key', async () => {
    const own = await startSkyvern({ path: '/api/v1' });
    const there = createSkyvernDriver({
      client: createSkyvernClient({ baseUrl: `${own.url}/`, apiPath: 'api/v1/' }),
      wakeUps,
      pollMs: [5, 20],
      allowHosts: [],
    });
    expect((await there.execute(taskOf({}))).output).toMatchObject({ status: 'completed' });
    expect(own.calls.map(({ key }) => key)).not.toContain('key-1');
    await own.close();
  });
});

describe('a task whose answer was lost', () => {
  it('is found by its title, and not submitted again', async () => {
    skyvern.trouble.push('lost');
    expect((await driver.execute(taskOf({}))).output).toMatchObject({ status: 'completed' });
    expect(skyvern.runs).toHaveLength(1);
  });

  it('is in doubt when it cannot be found, and never submitted again without a person', async () => {
    skyvern.trouble.push('unheard');
    await expect(driver.execute(taskOf({}))).rejects.toBeInstanceOf(InDoubtError);
    expect(await driver.reconcile!(taskOf({}))).toEqual({ outcome: 'unknown' });
    // A person has looked, and says that it did not happen.
    expect((await driver.execute(taskOf({}))).output).toMatchObject({ status: 'completed' });
    expect(skyvern.runs.map(({ request }) => request.title)).toEqual(['skyagent:run_1/a/1.2']);
  });

  it('is not in doubt when there was no connection at all', async () => {
    const closed = await startSkyvern();
    await closed.close();
    const nowhere = driverAt(closed.url, {});
    const waiting = nowhere
      .execute(taskOf({}, { signal: AbortSignal.timeout(1_500) }))
      .catch((error: unknown) => error);
    expect(await waiting).not.toBeInstanceOf(InDoubtError);
  });
});

describe('a task whose process died', () => {
  it('is looked up by its stored run, and never submitted again', async () => {
    skyvern.plan.statuses = ['running', 'running', 'running', 'running', 'running', 'running', 'completed'];
    const dying = driver.execute(taskOf({}, { mayAct: () => Promise.resolve() }));
    await until('the run is noted', () => skyvern.runs.length === 1);
    await until('the note is written', async () =>
      new TextDecoder().decode(await files.read('memory/skyvern/a-1.json')).includes('tsk_'),
    );
    const heir = driverAt(skyvern.url);
    const seen = await heir.reconcile!(taskOf({}));
    const { output } = seen.outcome === 'confirmed' ? seen.result : await heir.execute(taskOf({}));
    expect(output).toMatchObject({ status: 'completed' });
    expect(skyvern.runs).toHaveLength(1);
    await dying;
  });

  it('is confirmed when it was completed meanwhile', async () => {
    await driver.execute(taskOf({}));
    skyvern.runs[0]!.more = { output: { done: true } };
    const found = await driverAt(skyvern.url).reconcile!(taskOf({}));
    expect(found).toMatchObject({ outcome: 'confirmed', result: { output: { extracted: { done: true } } } });
  });

  it('before it submitted anything begins', async () => {
    expect(await driver.reconcile!(taskOf({}))).toEqual({ outcome: 'refuted' });
  });
});

describe('a task that is no longer wanted', () => {
  it('is canceled in Skyvern, and begun anew when the step goes on', async () => {
    skyvern.plan.statuses = ['running'];
    const controller = new AbortController();
    const running = driver
      .execute(taskOf({}, { signal: controller.signal }))
      .catch((error: unknown) => error);
    await until('it runs', () => traces.length > 0);
    controller.abort();
    await running;
    expect(skyvern.runs[0]!.statuses).toEqual(['canceled']);
    // Whether it took effect before that, nobody here can tell.
    expect(await driver.reconcile!(taskOf({}))).toEqual({ outcome: 'unknown' });
    skyvern.plan.statuses = ['completed'];
    expect((await driver.execute(taskOf({}))).output).toMatchObject({ status: 'completed' });
    expect(skyvern.runs).toHaveLength(2);
  });

  it('is canceled also when it was only being submitted', async () => {
    skyvern.plan.statuses = ['running'];
    skyvern.slow.ms = 300;
    const controller = new AbortController();
    const running = driver
      .execute(taskOf({}, { signal: controller.signal }))
      .catch((error: unknown) => error);
    await until('it is on its way', () => skyvern.calls.length > 0);
    controller.abort();
    await running;
    await until('it is canceled', () => skyvern.runs[0]?.statuses[0] === 'canceled');
    expect(skyvern.runs).toHaveLength(1);
  });

  it('is left alone when its run was let go of: it may be another owner’s by now', async () => {
    skyvern.plan.statuses = ['running'];
    const controller = new AbortController();
    const running = driver
      .execute(taskOf({}, { signal: controller.signal }))
      .catch((error: unknown) => error);
    await until('it runs', () => traces.length > 0);
    controller.abort(new LetGoError());
    await running;
    expect(skyvern.runs[0]!.statuses).toEqual(['running']);
    skyvern.runs[0]!.statuses = ['completed'];
    expect(await driverAt(skyvern.url).reconcile!(taskOf({}))).toMatchObject({ outcome: 'confirmed' });
    expect(skyvern.runs).toHaveLength(1);
  });
});

describe('a task whose Skyvern is away for a time', () => {
  it('goes on to be waited for', async () => {
    skyvern.plan.statuses = ['running', 'completed'];
    const running = driver.execute(taskOf({}));
    await until('it runs', () => traces.length > 0);
    skyvern.trouble.push(...Array<'unheard'>(20).fill('unheard'));
    expect((await running).output).toMatchObject({ status: 'completed' });
    expect(skyvern.runs).toHaveLength(1);
  });

  it('is in doubt when Skyvern does not tell of it any more', async () => {
    skyvern.plan.statuses = ['running'];
    const running = driver.execute(taskOf({})).catch((error: unknown) => error);
    await until('it runs', () => traces.length > 0);
    skyvern.runs.length = 0;
    expect(await running).toBeInstanceOf(InDoubtError);
  });
});

describe('what a mission may open', () => {
  it('holds for where Skyvern begins, and a mission with the only hosts is not given to it', async () => {
    const inside = await failureOf(taskOf({ url: 'http://169.254.169.254/latest' }));
    expect(inside).toMatchObject({ kind: 'policy', code: 'host-blocked' });
    const only = { inputs: {}, metadata: { onlyHosts: ['bank.example'] } };
    expect(await failureOf(taskOf({}, { mission: only }))).toMatchObject({
      kind: 'policy',
      code: 'host-blocked',
    });
    expect(skyvern.calls).toEqual([]);
  });
});

describe('a webhook', () => {
  it('ends the wait at once, and is only a hint', async () => {
    const patient = driverAt(skyvern.url, { pollMs: [60_000, 60_000] });
    skyvern.plan.statuses = ['running', 'running', 'completed'];
    const running = patient.execute(taskOf({}));
    await until('it waits', () => traces.length > 0);
    await sleep(50);
    // One that comes too early finds the run still at work.
    wakeUps.wake(skyvern.runs[0]!.id);
    await sleep(100);
    wakeUps.wake(skyvern.runs[0]!.id);
    expect((await running).output).toMatchObject({ status: 'completed' });
  });

  it('is Skyvern’s only with the HMAC of its raw body under the key', () => {
    const body = Buffer.from('{"run_id":"tsk_1","status":"completed"}');
    const good = '9c21fe814a7730b406ee6860219c2335afb011eba0d06dfa72c0b6b681dacb56';
    expect(isSigned(body, good, 'secret')).toBe(true);
    for (const bad of [undefined, '', 'zz', good.slice(2), `${good}00`, good.replace('9', '8')])
      expect(isSigned(body, bad, 'secret')).toBe(false);
    expect(isSigned(body, good, 'other')).toBe(false);
    expect(runOfWebhook(body)).toBe('tsk_1');
    expect(runOfWebhook(Buffer.from('nonsense'))).toBeUndefined();
  });
});

describe('a browser session that the steps of a run share', () => {
  it('is opened once, can be looked into, and is closed with the run', async () => {
    const shared = { skyvern: { keepSession: true } };
    await driver.execute(taskOf(shared));
    await driver.execute(taskOf(shared, { stepId: 'b' }));
    const [id] = [...skyvern.sessions.keys()];
    expect(skyvern.sessions.size).toBe(1);
    expect(skyvern.runs.map(({ request }) => request.browser_session_id)).toEqual([id, id]);
    expect(driver.elsewhere!('run_1')).toBe(`${skyvern.url}/app/${id}`);
    await driver.endRun!('run_1', 'ended');
    expect([...skyvern.sessions.values()]).toEqual(['completed']);
    expect(driver.elsewhere!('run_1')).toBeUndefined();
  });
});

describe('a script for Skyvern', () => {
  it('is done by its intent, and refused without one', async () => {
    const actions = [{ click: { text: 'x' } }];
    const script = (more: object) =>
      stepSchema.parse({ id: 'a', title: 'a', do: 'browser.script', with: { actions, ...more } });
    const step = script({ intent: { instruction: 'Click x' } });
    expect((await driver.execute({ ...taskOf({}), step })).output).toMatchObject({ status: 'completed' });
    expect(skyvern.runs[0]!.request.prompt).toBe('Click x');
    expect(await failureOf({ ...taskOf({}), step: script({}) })).toMatchObject({
      kind: 'input',
      code: 'bad-arguments',
    });
  });
});
