import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';
import { startServer, type TestServer } from '../support/server-test.js';
import { startSite, type Site } from '../support/site-pages.js';
import { until } from '../support/wait.js';

const eventually = (probe: () => boolean | Promise<boolean>) => until('it is so', probe);

let server: TestServer;
let site: Site;
beforeAll(async () => {
  site = await startSite({
    '/app': `<!doctype html><title>App</title><button style="position:fixed;left:0;top:0;width:200px;height:100px" onclick="fetch('/clicked', { method: 'POST' })">Press</button>
      <input aria-label="Word" style="position:fixed;left:0;top:120px;width:200px" onchange="fetch('/word/' + encodeURIComponent(this.value), { method: 'POST' })">`,
    '/clicked': 'ok',
    '/word/geheim': 'ok',
  });
  server = await startServer({ SKYAGENT_ALLOW_HOSTS: '127.0.0.1' });
});
afterAll(async () => {
  await server.stop();
  await site.close();
});

interface Ticket {
  readonly ticket: string;
  readonly control: boolean;
  readonly links: { page: string; socket: string };
}

async function waitingRun(): Promise<string> {
  const actions = [
    { goto: { url: `${site.url}/app` } },
    { wait: { text: 'never comes', timeoutMs: 100_000 } },
  ];
  const plan = { steps: [{ id: 'look', title: 'Look', do: 'browser.script', with: { actions } }] };
  const visits = () => site.hits.filter((path) => path === '/app').length;
  const before = visits();
  const { body } = await server.post<{ runId: string }>('/missions', { plan });
  await eventually(() => visits() > before);
  return body.runId;
}

const takeOver = async (runId: string) => {
  const { body } = await server.post<{ control: { lease: string } }>(`/runs/${runId}/takeover`, {});
  return body.control.lease;
};
const ticketFor = async (runId: string, body: object = {}) =>
  (await server.post<Ticket>(`/runs/${runId}/live`, body)).body;

interface Viewer {
  readonly socket: WebSocket;
  readonly pictures: Buffer[];
  readonly told: Record<string, unknown>[];
  readonly closed: Promise<number>;
}

function view(path: string, headers: Record<string, string> = {}): Viewer {
  const socket = new WebSocket(new URL(path, server.url.replace('http', 'ws')), { headers });
  const pictures: Buffer[] = [];
  const told: Record<string, unknown>[] = [];
  const { promise: closed, resolve } = Promise.withResolvers<number>();
  socket.on('message', (data: Buffer, binary) => {
    if (binary) pictures.push(data);
    else told.push(JSON.parse(data.toString()) as Record<string, unknown>);
  });
  socket.on('close', (code) => resolve(code));
  socket.on('unexpected-response', (_, response) => resolve(response.statusCode ?? 0));
  socket.on('error', () => undefined);
  return { socket, pictures, told, closed };
}

describe('the live view of a run', () => {
  it('shows its screen to whoever looks on, and takes nothing from them', async () => {
    const runId = await waitingRun();
    const { control, links } = await ticketFor(runId);
    expect(control).toBe(false);
    const viewer = view(links.socket);
    await eventually(() => viewer.pictures.length > 0);
    expect(viewer.pictures[0]!.subarray(0, 3).toString('hex')).toBe('ffd8ff');
    expect(viewer.told).toContainEqual({ type: 'hello', runId, control: false });
    expect(viewer.told).toContainEqual({ type: 'screen', width: 1280, height: 800, url: `${site.url}/app` });
    viewer.socket.send(JSON.stringify({ input: 'click', x: 50, y: 50 }));
    await eventually(() => viewer.told.some(({ outcome }) => outcome === 'refused'));
    expect(site.hits).not.toContain('/clicked');
    viewer.socket.close();
    await server.post(`/runs/${runId}/cancel`, {});
    await eventually(() => !server.engine.drivers.holds(runId));
  }, 60_000);

  it('gives a person with the controls mouse and keyboard, and records what they did without what they typed', async () => {
    const runId = await waitingRun();
    const lease = await takeOver(runId);
    const { links } = await ticketFor(runId, { lease });
    const viewer = view(links.socket);
    await eventually(() => viewer.pictures.length > 0);
    for (const input of [
      { input: 'click', x: 50, y: 50 },
      { input: 'click', x: 50, y: 130 },
      { input: 'type', text: 'geheim' },
      { input: 'key', key: 'Tab' },
    ])
      viewer.socket.send(JSON.stringify(input));
    await eventually(() => viewer.told.filter(({ type }) => type === 'acted').length === 4);
    expect(viewer.told.filter(({ type }) => type === 'acted')).toEqual(
      Array.from({ length: 4 }, () => ({ type: 'acted', outcome: 'succeeded' })),
    );
    await eventually(() => site.hits.includes('/clicked') && site.hits.includes('/word/geheim'));
    const { body } = await server.get<{ events: { type: string; data: unknown }[] }>(
      `/runs/${runId}/events?limit=200`,
    );
    const acted = body.events.filter(({ type }) => type.endsWith('control.acted'));
    expect(acted).toHaveLength(4);
    expect(JSON.stringify(body.events)).not.toContain('"geheim"');
    viewer.socket.send(JSON.stringify({ command: 'handback' }));
    await eventually(() => viewer.told.at(-1)?.type === 'hello');
    expect(viewer.told.at(-1)).toMatchObject({ control: false });
    viewer.socket.send(JSON.stringify({ input: 'key', key: 'Tab' }));
    await eventually(() => viewer.told.some(({ code }) => code === 'wrong-lease'));
    viewer.socket.close();
    await server.post(`/runs/${runId}/cancel`, {});
  }, 60_000);

  it('lets in once for each ticket, and only to its run', async () => {
    const runId = await waitingRun();
    const { links, ticket } = await ticketFor(runId);
    const first = view(links.socket);
    await eventually(() => first.told.length > 0);
    expect(await view(links.socket).closed).toBe(4401);
    expect(await view(`/runs/${runId}/live/socket`).closed).toBe(4401);
    const other = await ticketFor(runId);
    expect(await view(`/runs/run_other/live/socket?ticket=${other.ticket}`).closed).toBe(4401);
    expect((await server.get(`/runs/${runId}/live?ticket=${ticket}`)).status).toBe(401);
    expect(await view((await ticketFor(runId)).links.socket, { origin: 'https://evil.example' }).closed).toBe(
      403,
    );
    expect(await view((await ticketFor(runId)).links.socket, { host: 'evil.example' }).closed).toBe(403);
    first.socket.close();
    await server.post(`/runs/${runId}/cancel`, {});
  }, 60_000);

  it('has a page of its own, that runs nothing but its own script', async () => {
    const runId = await waitingRun();
    const { links } = await ticketFor(runId);
    const page = await server.get(links.page);
    expect(page.status).toBe(200);
    expect(page.headers['content-security-policy']).toMatch(/default-src 'none'; script-src 'nonce-/);
    // The page alone uses nothing up.
    const viewer = view(links.socket);
    await eventually(() => viewer.told.length > 0);
    viewer.socket.close();
    await server.post(`/runs/${runId}/cancel`, {});
  }, 60_000);

  it('gives no ticket for a run that is not there, or a lease that is not in force', async () => {
    expect((await server.post('/runs/run_none/live', {})).status).toBe(404);
    const runId = await waitingRun();
    const refused = await server.post<{ code: string }>(`/runs/${runId}/live`, { lease: 'stolen' });
    expect([refused.status, refused.body.code]).toEqual([409, 'wrong-lease']);
    await server.post(`/runs/${runId}/cancel`, {});
  }, 60_000);
});

describe('the traces of a run', () => {
  it('tell each action with its place and its time, and typed text by its length', async () => {
    const actions = [
      { goto: { url: `${site.url}/app` } },
      { fill: { label: 'Word', value: 'geheim' } },
      { click: { role: 'button', name: 'Nothing', timeoutMs: 200 } },
    ];
    const plan = { steps: [{ id: 'act', title: 'Act', do: 'browser.script', with: { actions } }] };
    const { body } = await server.post<{ runId: string }>('/missions', { plan });
    await server.get(`/runs/${body.runId}`, { prefer: 'wait=20' });
    const path = `/runs/${body.runId}/traces`;
    await eventually(async () => (await server.get<{ traces: unknown[] }>(path)).body.traces.length === 3);
    const { traces } = (await server.get<{ traces: Record<string, unknown>[] }>(path)).body;
    expect(traces.map(({ action, outcome, code }) => [action, outcome, code])).toEqual([
      ['goto', 'done', undefined],
      ['fill', 'done', undefined],
      ['click', 'failed', 'element-not-found'],
    ]);
    expect(traces[1]).toMatchObject({
      stepId: 'act',
      driver: 'playwright',
      args: { label: 'Word', value: { length: 6 } },
      after: { url: `${site.url}/app`, tabs: 1 },
      durationMs: expect.any(Number),
    });
    const paged = await server.get<{ traces: unknown[]; next: number }>(`${path}?limit=2&step=act`);
    const rest = await server.get<{ traces: unknown[] }>(`${path}?step=act&after=${paged.body.next}`);
    expect([paged.body.traces.length, rest.body.traces.length]).toEqual([2, 1]);
    expect((await server.get('/runs/run_none/traces')).status).toBe(404);
    for (const step of ['>', '*', 'a b', 'x'.repeat(300)])
      expect((await server.get(`${path}?step=${encodeURIComponent(step)}`)).status).toBe(400);
  }, 60_000);
});
