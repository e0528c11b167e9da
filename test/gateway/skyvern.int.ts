import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startSkyvern, type FakeSkyvern } from '../support/fake-skyvern.js';
import { startServer, type TestServer } from '../support/server-test.js';
import { startSite, type Site } from '../support/site-pages.js';
import { until } from '../support/wait.js';

let skyvern: FakeSkyvern;
let server: TestServer;
let site: Site;
beforeEach(async () => {
  skyvern = await startSkyvern({ key: 'sky-key' });
  site = await startSite({
    '/shop': '<title>Shop</title><p>Tea, 4 €</p>',
    '/broken': '<title>Broken</title>',
  });
  server = await startServer({
    SKYVERN_BASE_URL: skyvern.url,
    SKYVERN_API_KEY: 'sky-key',
    SKYAGENT_ALLOW_HOSTS: '127.0.0.1',
    NODE_ENV: 'test',
  });
});
afterEach(async () => {
  await server.stop();
  await skyvern.close();
  await site.close();
});

interface Event {
  readonly type: string;
  readonly data: { driver?: string; attempt?: number; failure?: { code: string } };
}

async function submit(...steps: object[]): Promise<string> {
  const plan = { steps: steps.map((step) => ({ title: 'x', ...step })) };
  const { status, body } = await server.post<{ runId: string }>('/missions', { plan });
  expect([status, body]).toEqual([202, expect.anything()]);
  return body.runId;
}

async function endOf(runId: string): Promise<{ status: string; events: Event[] }> {
  const { body } = await server.get<{ status: string }>(`/runs/${runId}`, { prefer: 'wait=30' });
  const told = await server.get<{ events: Event[] }>(`/runs/${runId}/events?limit=200`);
  return { status: body.status, events: told.body.events };
}
const triesIn = (events: readonly Event[]) =>
  events
    .filter(({ type }) => /step\.(retried|failed|succeeded|performed)$/.test(type))
    .map(({ type, data }) => [type.replace(/.*step\./, ''), data.driver, data.failure?.code]);

const task = { id: 'find', do: 'browser.task', with: { instruction: 'Find the price' } };

describe('a browser.task', () => {
  it('goes to Skyvern when one is configured, and its result is checked like any other', async () => {
    skyvern.plan.more = { output: { price: 4 } };
    const runId = await submit({ ...task, expect: [{ jsonata: 'output.extracted.price = 4' }] });
    expect((await endOf(runId)).status).toBe('succeeded');
    expect(skyvern.runs[0]!.request.title).toBe(`skyagent:${runId}/find/1.1`);
  });

  it('is woken by a webhook that Skyvern signed, and by no other', async () => {
    skyvern.plan.statuses = ['running'];
    const runId = await submit(task);
    await until('it runs', () => skyvern.runs.length > 0);
    const hook = `${server.url}/hooks/skyvern`;
    expect(await skyvern.webhook(hook, skyvern.runs[0]!, 'another key')).toBe(401);
    expect((await server.post('/hooks/skyvern', { run_id: 'tsk_1' })).status).toBe(401);
    skyvern.runs[0]!.statuses = ['completed'];
    expect(await skyvern.webhook(hook, skyvern.runs[0]!)).toBe(204);
    expect((await endOf(runId)).status).toBe('succeeded');
  });
});

describe('a step with several drivers', () => {
  it('is done by the next one when the first fails, with each try in the log', async () => {
    skyvern.plan.statuses = ['terminated'];
    const actions = [
      { goto: { url: `${site.url}/broken` } },
      { wait: { text: 'Tea', timeoutMs: 200 } },
      { extract: { name: 'extracted', as: 'text' } },
    ];
    const intent = { instruction: 'Find the price of tea', url: `${site.url}/shop` };
    const script = {
      id: 'look',
      do: 'browser.script',
      with: { actions, intent },
      drivers: ['playwright', 'skyvern'],
    };
    const failed = await endOf(await submit(script));
    expect(failed.status).toBe('failed');
    expect(triesIn(failed.events)).toEqual([
      ['retried', 'playwright', 'element-not-found'],
      ['failed', 'skyvern', 'task-unreachable'],
    ]);
    skyvern.plan = { statuses: ['completed'], more: { output: 'Tea, 4 €' } };
    const done = await endOf(await submit({ ...script, expect: [{ text: 'Tea' }] }));
    expect(done.status).toBe('succeeded');
    expect(triesIn(done.events)).toEqual([
      ['retried', 'playwright', 'element-not-found'],
      ['performed', 'skyvern', undefined],
      ['succeeded', 'skyvern', undefined],
    ]);
    expect(skyvern.runs.map(({ request }) => request.prompt)).toEqual(Array(2).fill('Find the price of tea'));
  });

  it('has the same checks made of each of them', async () => {
    skyvern.plan.more = { output: 'Tea, 5 €' };
    const drivers = ['skyvern', 'playwright'];
    const script = {
      id: 'look',
      do: 'browser.script',
      drivers,
      safeToRepeat: true,
      with: {
        actions: [{ goto: { url: `${site.url}/shop` } }, { extract: { name: 'extracted', as: 'text' } }],
        intent: { instruction: 'Find the price of tea' },
      },
      expect: [{ text: 'Tea, 4 €' }],
    };
    const { status, events } = await endOf(await submit(script));
    expect(status).toBe('succeeded');
    expect(triesIn(events)).toEqual([
      ['performed', 'skyvern', undefined],
      ['retried', 'skyvern', 'check-failed'],
      ['performed', 'playwright', undefined],
      ['succeeded', 'playwright', undefined],
    ]);
  });

  it('is done by nobody else once one of them may have acted', async () => {
    skyvern.plan.more = { output: 'Tea, 5 €' };
    const intent = { instruction: 'Find the price of tea' };
    const actions = [{ goto: { url: `${site.url}/shop` } }];
    const script = {
      id: 'look',
      do: 'browser.script',
      drivers: ['skyvern', 'playwright'],
      with: { actions, intent },
    };
    const { status, events } = await endOf(await submit({ ...script, expect: [{ text: 'Tea, 4 €' }] }));
    expect(status).toBe('failed');
    expect(triesIn(events)).toEqual([
      ['performed', 'skyvern', undefined],
      ['failed', 'skyvern', 'check-failed'],
    ]);
  });

  it('gives each of them its own tries, and none to one that may have acted', async () => {
    skyvern.plan.statuses = ['failed'];
    const again = await endOf(
      await submit({
        ...task,
        drivers: ['skyvern', 'playwright'],
        safeToRepeat: true,
        retry: { max: 1, backoffMs: 1 },
      }),
    );
    expect(triesIn(again.events)).toEqual([
      ['retried', 'skyvern', 'skyvern-failed'],
      ['retried', 'skyvern', 'skyvern-failed'],
      ['failed', 'playwright', 'needs-model'],
    ]);
    const once = await endOf(await submit({ ...task, drivers: ['skyvern', 'playwright'] }));
    expect(triesIn(once.events)).toEqual([['failed', 'skyvern', 'skyvern-failed']]);
  });

  it('is handed on when the first one knows that it changed nothing', async () => {
    const script = {
      id: 'send',
      do: 'browser.script',
      drivers: ['playwright', 'skyvern'],
      with: {
        actions: [{ goto: { url: `${site.url}/none` } }, { click: { text: 'Send' } }],
        intent: { instruction: 'Send it' },
      },
    };
    const { status, events } = await endOf(await submit(script));
    expect(status).toBe('succeeded');
    expect(triesIn(events)).toEqual([
      ['retried', 'playwright', 'page-status'],
      ['succeeded', 'skyvern', undefined],
    ]);
  });
});
