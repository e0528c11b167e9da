import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventTypeOf, type Envelope } from '#events/envelope.js';
import { startServe, type Serving } from '../support/server-cli.js';
import { ask } from '../support/server-http.js';
import { eventually, makeHome, type TestHome } from '../support/server-home.js';
import { noop } from '../support/server-missions.js';
import type { RunBody } from '../support/server-test.js';
import { held, html, slow, startSite, type Page, type Site } from '../support/site-pages.js';

/** Owners that are gone are noticed after half a second. */
const QUICK = { SKYAGENT_LEASE_MS: '1000', SKYAGENT_PARTITIONS: '2' };

let home: TestHome;
let site: Site | undefined;
let running: Serving[];
beforeEach(async () => {
  home = await makeHome();
  running = [];
});
afterEach(async () => {
  for (const process of running) await process.stop();
  await site?.close();
  await home.remove();
});

async function serve(env: Record<string, string> = {}): Promise<Serving> {
  const process = await startServe(home, { ...QUICK, ...env });
  running.push(process);
  return process;
}

async function kill(process: Serving, signal: NodeJS.Signals): Promise<void> {
  running = running.filter((each) => each !== process);
  await process.stop(signal);
}

const get = async <T>({ url }: Serving, path: string): Promise<T> =>
  (await ask<T>(url, path, { headers: { prefer: 'wait=60' } })).body;
const eventsOf = async (server: Serving, runId: string) =>
  (await get<{ events: Envelope[] }>(server, `/runs/${runId}/events?limit=200`)).events;
const typesOf = (events: readonly Envelope[]) => events.map(eventTypeOf);
const count = (events: readonly Envelope[], type: string) =>
  typesOf(events).filter((each) => each === type).length;

async function submit({ url }: Serving, mission: object): Promise<string> {
  const answer = await ask<{ runId: string }>(url, '/missions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(mission),
  });
  expect(answer.status).toBe(202);
  return answer.body.runId;
}

/** Waits until a run has come some steps far. */
const finishes = (server: Serving, runId: string, steps: number) =>
  eventually(
    async () => (await ask<RunBody>(server.url, `/runs/${runId}`)).body.stepsFinished >= steps,
    `${steps} finished steps`,
  );

const visit = (id: string, path: string, more: object = {}): object => ({
  id,
  title: `visit ${path}`,
  do: 'browser.script',
  with: { actions: [{ goto: { url: `${site!.url}${path}` } }] },
  ...more,
});
const mission = (steps: object[], more: object = {}): object => ({
  plan: { steps },
  metadata: { allowHosts: ['127.0.0.1'] },
  ...more,
});

/** Twenty steps of a few hundred milliseconds each, two at a time. */
async function longMission(stepMs = 250): Promise<object> {
  const pages = Object.fromEntries(
    Array.from({ length: 20 }, (_, index): [string, Page] => [
      `/${index}`,
      slow(stepMs, `<h1>${index}</h1>`),
    ]),
  );
  site = await startSite(pages);
  return mission(
    Array.from({ length: 20 }, (_, index) => visit(`v${index}`, `/${index}`)),
    { limits: { maxParallel: 2 } },
  );
}

/** What must hold of the history of a run that changed its owner and ended well. */
function expectSound(events: readonly Envelope[]): void {
  const succeeded = events
    .filter((event) => eventTypeOf(event) === 'step.succeeded')
    .map(({ data }) => data.stepId as string);
  expect(succeeded.length).toBe(20);
  expect(new Set(succeeded).size).toBe(20);
  expect(events.map(({ rev }) => rev)).toEqual(events.map((_, index) => index + 1));
  expect(events.slice(1).map(({ prevhash }) => prevhash)).toEqual(
    events.slice(0, -1).map(({ hash }) => hash),
  );
  expect(typesOf(events).at(-1)).toBe('run.succeeded');
  const owners = events
    .filter(({ data }) => 'epoch' in data)
    .map(({ data }) => data as { worker: string; epoch: number; continued?: true });
  expect(owners.map(({ epoch }) => epoch)).toEqual(owners.map((_, index) => index + 1));
  // A server that a busy machine has kept from its heartbeats claims its own run anew.
  const others = owners.filter(({ continued }) => !continued);
  expect(new Set(others.map(({ worker }) => worker)).size).toBe(others.length);
}

/** Recoveries after a death; a server that a busy machine kept from its heartbeats claims its own run anew. */
const deathsIn = (events: Awaited<ReturnType<typeof eventsOf>>) =>
  events.filter(({ type, data }) => type === 'skyagent.run.recovered' && !('continued' in data));

describe('a server that is killed in the middle of a run', () => {
  it('finishes the run when it is started again, no step twice', async () => {
    const plan = await longMission();
    const first = await serve();
    const runId = await submit(first, plan);
    await finishes(first, runId, 5);
    await kill(first, 'SIGKILL');
    const second = await serve();
    expect(await get<RunBody>(second, `/runs/${runId}`)).toMatchObject({
      status: 'succeeded',
      stepsFinished: 20,
    });
    const events = await eventsOf(second, runId);
    expectSound(events);
    const [death] = deathsIn(events);
    expect(deathsIn(events)).toHaveLength(1);
    expect(death!.actor).not.toBe(events[1]!.actor);
  });

  it('finishes it when it is killed again and again', async () => {
    const plan = await longMission();
    let server = await serve();
    const runId = await submit(server, plan);
    for (const far of [3, 8, 13]) {
      await finishes(server, runId, far);
      await kill(server, 'SIGKILL');
      server = await serve();
    }
    expect((await get<RunBody>(server, `/runs/${runId}`)).status).toBe('succeeded');
    const events = await eventsOf(server, runId);
    expectSound(events);
    expect(deathsIn(events)).toHaveLength(3);
  });

  it('does not act again where it cannot tell whether it has acted: a person is told', async () => {
    const gate = held('<h1>ordered</h1>');
    site = await startSite({
      '/shop': '<form action="/order" method="post"><button>Order</button></form>',
      '/order': gate.page,
    });
    const order = {
      id: 'order',
      title: 'order',
      do: 'browser.script',
      with: {
        actions: [
          { goto: { url: `${site.url}/shop` } },
          { click: { role: 'button', name: 'Order' } },
          { wait: { text: 'ordered' } },
        ],
      },
    };
    const first = await serve();
    const runId = await submit(first, mission([order, noop('after', { needs: ['order'] })]));
    await eventually(() => Promise.resolve(site!.hits.includes('/order')), 'the order');
    await kill(first, 'SIGKILL');
    gate.release();
    const second = await serve();
    const run = await get<RunBody>(second, `/runs/${runId}`);
    expect(run).toMatchObject({ status: 'awaiting-approval', failure: null });
    expect(run.commands).toContain('settle');
    const types = typesOf(await eventsOf(second, runId));
    expect([...new Set(types)]).toEqual([
      'run.created',
      'run.started',
      'step.started',
      'run.recovered',
      'step.in-doubt',
      'step.reconciled',
    ]);
    expect(site.hits.filter((path) => path === '/order')).toHaveLength(1);
  });

  it('keeps what it accepted and had not begun', async () => {
    const first = await serve({ SKYAGENT_ROLES: 'gateway,projector' });
    const runs = await Promise.all(Array.from({ length: 10 }, () => submit(first, mission([noop('a')]))));
    await kill(first, 'SIGKILL');
    const second = await serve();
    const statuses = await Promise.all(
      runs.map(async (runId) => (await get<RunBody>(second, `/runs/${runId}`)).status),
    );
    expect(statuses).toEqual(Array(10).fill('succeeded'));
  });
});

describe('a worker that is asked to stop', () => {
  it('parks its run, and another one of the same home goes on with it', async () => {
    // Longer than a second worker takes to start on a busy machine.
    const plan = await longMission(1_000);
    const gateway = await serve({ SKYAGENT_ROLES: 'gateway,projector' });
    const first = await serve({ SKYAGENT_ROLES: 'worker' });
    const runId = await submit(gateway, plan);
    await finishes(gateway, runId, 5);
    await serve({ SKYAGENT_ROLES: 'worker' });
    await kill(first, 'SIGTERM');
    expect(first.output.stderr).toContain('SIGTERM: parking runs\n');
    expect((await get<RunBody>(gateway, `/runs/${runId}`)).status).toBe('succeeded');
    const events = await eventsOf(gateway, runId);
    expectSound(events);
    expect(deathsIn(events)).toHaveLength(1);
  });

  it('lets an act that must not be cut off end first', async () => {
    const gate = held('<h1>ordered</h1>');
    site = await startSite({
      '/shop': '<form action="/order" method="post"><button>Order</button></form>',
      '/order': gate.page,
    });
    const order = {
      id: 'order',
      title: 'order',
      do: 'browser.script',
      with: {
        actions: [
          { goto: { url: `${site.url}/shop` } },
          { click: { role: 'button' } },
          { wait: { text: 'ordered' } },
        ],
      },
    };
    const gateway = await serve({ SKYAGENT_ROLES: 'gateway,projector' });
    const worker = await serve({ SKYAGENT_ROLES: 'worker' });
    const runId = await submit(gateway, mission([order, noop('after', { needs: ['order'] })]));
    await eventually(() => Promise.resolve(site!.hits.includes('/order')), 'the order');
    const stopped = kill(worker, 'SIGTERM');
    await worker.says(/parking runs/);
    gate.release();
    await stopped;
    await serve({ SKYAGENT_ROLES: 'worker' });
    expect((await get<RunBody>(gateway, `/runs/${runId}`)).status).toBe('succeeded');
    const events = await eventsOf(gateway, runId);
    expect(count(events, 'step.in-doubt')).toBe(0);
    expect(site.hits.filter((path) => path === '/order')).toHaveLength(1);
  });
});

describe('two processes of one home', () => {
  it('share one nats-server and one log', async () => {
    const [one, two] = [await serve(), await serve()];
    const nats = async (server: Serving) =>
      (await get<{ nats: { url: string } }>(server, '/readyz')).nats.url;
    expect(await nats(one)).toBe(await nats(two));
    const runId = await submit(one, mission([noop('a')]));
    await eventually(
      async () => (await ask<RunBody>(two.url, `/runs/${runId}`)).body.status === 'succeeded',
      'the other to see it',
    );
  });

  it('starting at the same time share one too', async () => {
    const servers = await Promise.all([serve(), serve(), serve()]);
    const urls = await Promise.all(
      servers.map(async (server) => (await get<{ nats: { url: string } }>(server, '/readyz')).nats.url),
    );
    expect(new Set(urls).size).toBe(1);
  });

  it('go on when the one that started the nats-server is killed', async () => {
    const first = await serve();
    const second = await serve();
    await kill(first, 'SIGKILL');
    const runId = await submit(second, mission([noop('a')]));
    expect((await get<RunBody>(second, `/runs/${runId}`)).status).toBe('succeeded');
  });
});

describe('a slow answer of a site', () => {
  it('does not keep a run from being cancelled', async () => {
    const gate = held('never');
    site = await startSite({ '/held': gate.page, '/ok': (_, response) => html(response, 'ok') });
    const server = await serve();
    const runId = await submit(server, mission([visit('a', '/held')]));
    await eventually(() => Promise.resolve(site!.hits.includes('/held')), 'the visit');
    await ask(server.url, `/runs/${runId}/cancel`, { method: 'POST' });
    expect((await get<RunBody>(server, `/runs/${runId}`)).status).toBe('cancelled');
    const [cancelled] = (await eventsOf(server, runId)).slice(-1);
    expect(cancelled!.data).toEqual({ interrupted: ['a'] });
  });

  it('is asked again after a pause, and the run goes on', async () => {
    const gate = held('<p>here</p>');
    site = await startSite({ '/held': gate.page });
    const server = await serve();
    const runId = await submit(server, mission([visit('a', '/held')]));
    await eventually(() => Promise.resolve(site!.hits.includes('/held')), 'the visit');
    await ask(server.url, `/runs/${runId}/pause`, { method: 'POST' });
    expect((await get<RunBody>(server, `/runs/${runId}`)).status).toBe('paused');
    gate.release();
    await ask(server.url, `/runs/${runId}/resume`, { method: 'POST' });
    expect((await get<RunBody>(server, `/runs/${runId}`)).status).toBe('succeeded');
    expect(site.hits.filter((path) => path === '/held')).toHaveLength(2);
  });
});
