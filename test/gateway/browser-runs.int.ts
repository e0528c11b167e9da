import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startServer, type TestServer } from '../support/server-test.js';
import { startSite, type Site } from '../support/site-pages.js';
import { until } from '../support/wait.js';

let server: TestServer;
let site: Site;
let orders = 0;
beforeAll(async () => {
  site = await startSite({
    '/page': '<title>Page</title><h1>Page</h1><input aria-label="Name">',
    '/order': `<title>Order</title><button onclick="fetch('/ordered', { method: 'POST' }).then(() => (document.title = 'Ordered'))">Order</button>`,
    '/ordered': (_, response) => {
      orders++;
      response.end('ok');
    },
    '/orders': (_, response) =>
      void response.setHeader('content-type', 'text/html').end(`<p id="n">${orders}</p>`),
    '/long': `<title>Long</title><p>${'word '.repeat(600_000)}Error</p>`,
    '/sent': (_, response) => {
      response.statusCode = 500;
      response.end('Your form was submitted');
    },
  });
  server = await startServer({ SKYAGENT_ALLOW_HOSTS: '127.0.0.1', NODE_ENV: 'test' });
});
afterAll(async () => {
  await server.stop();
  await site.close();
});

const goto = (path: string) => ({ goto: { url: `${site.url}${path}` } });
const script = (id: string, actions: object[], more: object = {}) => ({
  id,
  title: id,
  do: 'browser.script',
  with: { actions },
  ...more,
});
async function submit(steps: object[], more: object = {}): Promise<string> {
  const { status, body } = await server.post<{ runId: string }>('/missions', { plan: { steps }, ...more });
  expect([status, body]).toEqual([202, expect.anything()]);
  return body.runId;
}
interface Run {
  readonly status: string;
  readonly failure: { code: string; message: string } | null;
}
const ended = async (runId: string) => (await server.get<Run>(`/runs/${runId}`, { prefer: 'wait=60' })).body;
const statusOf = async (runId: string) => (await server.get<Run>(`/runs/${runId}`)).body.status;
const holds = (runId: string) => server.engine.drivers.holds(runId);
const visits = (path: string) => site.hits.filter((hit) => hit === path).length;

describe('the browser of a run', () => {
  it('is there from its first step to its end', async () => {
    const runId = await submit([
      script('open', [goto('/page'), { fill: { label: 'Name', value: 'Ada' } }]),
      script('read', [{ extract: { name: 'name', as: 'value', selector: 'input' } }], {
        needs: ['open'],
        expect: [
          { jsonata: "output.name = 'Ada'" },
          { page: { url: '/page', title: 'Page', text: 'Page', absent: 'Error' } },
        ],
      }),
    ]);
    expect(await ended(runId)).toMatchObject({ status: 'succeeded' });
    await until('it is gone', () => !holds(runId));
  });

  it('stays through a pause, and is gone within 5 seconds of a cancel, whoever cancels', async () => {
    const before = visits('/page');
    const runId = await submit([
      script('wait', [goto('/page'), { wait: { text: 'never', timeoutMs: 100_000 } }]),
    ]);
    await until('it waits', () => visits('/page') > before);
    await server.post(`/runs/${runId}/pause`, {});
    await until('it is paused', async () => (await statusOf(runId)) === 'paused');
    expect(holds(runId)).toBe(true);
    await server.post(`/runs/${runId}/cancel`, {});
    await until('it is gone', () => !holds(runId));
    expect(await statusOf(runId)).toBe('cancelled');
    const atWork = await submit([script('wait', [goto('/page'), { wait: { ms: 100_000 } }])]);
    await until('it waits', () => holds(atWork));
    await server.post(`/runs/${atWork}/cancel`, {});
    await until('it is gone', () => !holds(atWork));
  });

  it('is one for each of 20 runs at once, and none of them runs out of time', async () => {
    const from = performance.now();
    const runIds = await Promise.all(
      Array.from({ length: 20 }, () =>
        submit([
          script('look', [
            goto('/page'),
            { fill: { label: 'Name', value: 'x' } },
            { extract: { name: 'h', as: 'text', selector: 'h1' } },
          ]),
        ]),
      ),
    );
    const statuses = await Promise.all(runIds.map(async (runId) => (await ended(runId)).status));
    expect(new Set(statuses)).toEqual(new Set(['succeeded']));
    process.stdout.write(`20 runs in ${Math.round(performance.now() - from)} ms\n`);
    await until('all are gone', () => !runIds.some(holds));
  }, 90_000);
});

describe('a server that stops', () => {
  it('takes its browser with it, also from a run at work, and leaves no process behind', async () => {
    const before = new Set(chromiumsOf(process.pid));
    const other = await startServer({ SKYAGENT_ALLOW_HOSTS: '127.0.0.1', NODE_ENV: 'test' });
    const plan = { steps: [script('wait', [goto('/page'), { wait: { ms: 100_000 } }])] };
    const { body } = await other.post<{ runId: string }>('/missions', { plan });
    await until('it is at work', () => other.engine.drivers.holds(body.runId));
    await until('it has a browser', () => chromiumsOf(process.pid).some((pid) => !before.has(pid)));
    const from = performance.now();
    await other.stop();
    process.stdout.write(`stopped with a browser in ${Math.round(performance.now() - from)} ms\n`);
    await until('it is gone', () => chromiumsOf(process.pid).every((pid) => before.has(pid)));
    expect(other.engine.drivers.holds(body.runId)).toBe(false);
  }, 60_000);
});

describe('a step whose browser went away', () => {
  const crash = async (runId: string) => {
    const pids = chromiumsOf(process.pid);
    expect(pids.length).toBeGreaterThan(0);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await until('the crash is noticed', () => holds(runId));
  };

  it('is looked after by its look-up, and neither forgotten nor done twice', async () => {
    const lookUp = {
      actions: [goto('/orders'), { extract: { name: 'n', as: 'text', selector: '#n' } }],
      found: "output.n = '1'",
    };
    const act = [goto('/order'), { click: { role: 'button', name: 'Order' } }, { wait: { ms: 60_000 } }];
    const runId = await submit([{ ...script('order', act), with: { actions: act, lookUp } }]);
    await until('it was ordered', () => orders === 1);
    await crash(runId);
    expect(await ended(runId)).toMatchObject({ status: 'succeeded' });
    const { body } = await server.get<{ events: { type: string }[] }>(`/runs/${runId}/events?limit=200`);
    const types = body.events.map(({ type }) => type.replace('skyagent.', ''));
    expect(types.filter((type) => type.startsWith('step.'))).toEqual([
      'step.started',
      'step.in-doubt',
      'step.reconciled',
      'step.succeeded',
    ]);
    expect(orders).toBe(1);
  }, 60_000);

  it('is a question for a person when nobody can look', async () => {
    const act = [goto('/page'), { fill: { label: 'Name', value: 'x' } }, { wait: { ms: 60_000 } }];
    const runId = await submit([script('fill', act)]);
    await until('it has begun', async () => {
      const { body } = await server.get<{ traces: { action: string }[] }>(`/runs/${runId}/traces`);
      return body.traces.some(({ action }) => action === 'fill');
    });
    await crash(runId);
    await until('a person is asked', async () => (await statusOf(runId)) === 'awaiting-approval');
    await server.post(`/runs/${runId}/settle`, { stepId: 'fill', outcome: 'confirmed' });
    expect(await ended(runId)).toMatchObject({ status: 'succeeded' });
  }, 60_000);
});

describe('what is expected of a page', () => {
  const cases: [string, () => object[], object[], string | null][] = [
    [
      'fails when it answers 500 and says “submitted”',
      () => [goto('/sent')],
      [{ text: 'submitted' }],
      'page-status',
    ],
    [
      'fails when its words are not there',
      () => [goto('/page')],
      [{ page: { text: 'Submitted' } }],
      'check-failed',
    ],
    [
      'fails when words are there that must not be',
      () => [goto('/page')],
      [{ page: { absent: 'Page' } }],
      'check-failed',
    ],
    [
      'does not take a page for sound that is too long to be read whole',
      () => [goto('/long')],
      [{ page: { absent: 'Error' } }],
      'check-failed',
    ],
    [
      'reads a field back',
      () => [goto('/page'), { fill: { label: 'Name', value: 'Ada' } }],
      [{ field: { of: { label: 'Name' }, value: 'Ada' } }],
      null,
    ],
    [
      'does not take another value',
      () => [goto('/page'), { fill: { label: 'Name', value: 'Ada' } }],
      [{ field: { of: { label: 'Name' }, value: 'Eve' } }],
      'check-failed',
    ],
    [
      'sees the request that was sent',
      () => [goto('/order'), { click: { role: 'button', name: 'Order' } }, { wait: { idle: true } }],
      [{ request: { url: '/ordered', method: 'POST', status: 200 } }],
      null,
    ],
    [
      'misses the one that was not',
      () => [goto('/page')],
      [{ request: { url: '/ordered' } }],
      'check-failed',
    ],
  ];
  it.each(cases)('%s', async (_, actions, expectations, code) => {
    const run = await ended(await submit([script('act', actions(), { expect: expectations })]));
    expect(run.failure?.code ?? null).toBe(code);
  });
});

/** Browsers below a process, by their own command lines. */
function chromiumsOf(root: number): number[] {
  const parents = new Map<number, number>();
  const names = new Map<number, string>();
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const [, name = '', parent = ''] = /^\d+ \((.*)\) \S (\d+)/.exec(stat) ?? [];
      parents.set(Number(entry), Number(parent));
      names.set(Number(entry), name);
    } catch {
      // It ended meanwhile.
    }
  }
  const isBelow = (pid: number): boolean =>
    pid === root || (parents.has(pid) && parents.get(pid)! > 1 && isBelow(parents.get(pid)!));
  return [...names]
    .filter(([pid, name]) => /chrom/i.test(name) && pid !== root && isBelow(pid))
    .map(([pid]) => pid);
}
