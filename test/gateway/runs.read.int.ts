import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hangs, noop, planned, write } from '../support/server-missions.js';
import {
  rested,
  startServer,
  submit,
  submitAndRest,
  type ProblemBody,
  type RunBody,
  type TestServer,
} from '../support/server-test.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

interface Page {
  readonly runs: RunBody[];
  readonly next?: string;
}

const list = async (query: string): Promise<Page> => (await server.get<Page>(`/runs?${query}`)).body;

/** All pages of a list, in order. */
async function pages(query: string): Promise<Page[]> {
  const all: Page[] = [];
  for (let cursor = ''; all.length < 50;) {
    const page = await list(`${query}${cursor}`);
    all.push(page);
    if (page.next === undefined) return all;
    cursor = `&cursor=${encodeURIComponent(page.next)}`;
  }
  throw new Error('the list does not end');
}

describe('a read after a write', () => {
  it('sees the run that was just accepted, every time', async () => {
    for (let time = 0; time < 20; time++) {
      const { runId, seq } = await submit(server, planned([noop('a')]));
      const { status, body } = await server.get<RunBody>(`/runs/${runId}`);
      expect(status).toBe(200);
      expect(body.seq).toBeGreaterThanOrEqual(seq);
      expect((await list('limit=5')).runs.map(({ id }) => id)).toContain(runId);
    }
  });

  it('sees a command that was just accepted', async () => {
    const { runId } = await submit(server, planned([noop('a')], { approval: 'plan' }));
    await rested(server, runId);
    const { body: cancelled } = await server.post(`/runs/${runId}/cancel`, {});
    const { body } = await server.get<RunBody>(`/runs/${runId}`);
    expect(body).toMatchObject({ status: 'cancelled', rev: cancelled.rev, seq: cancelled.seq });
  });

  it('waits for the sequence a reader names, which may come from another gateway', async () => {
    const { runId, seq } = await submit(server, planned([noop('a')]));
    const { body } = await server.get<RunBody>(`/runs/${runId}?minSeq=${seq}`);
    expect(body.seq).toBeGreaterThanOrEqual(seq);
  });
});

describe('one run', () => {
  it('has its revision as ETag, which answers 304 until it changes', async () => {
    const { runId } = await submit(server, planned([noop('a')], { approval: 'plan' }));
    await rested(server, runId);
    const { headers } = await server.get(`/runs/${runId}`);
    const same = await server.get(`/runs/${runId}`, { 'if-none-match': headers.etag! });
    expect([same.status, same.text, same.headers.etag]).toEqual([304, '', '"r2"']);
    await server.post(`/runs/${runId}/cancel`, {});
    expect((await server.get(`/runs/${runId}`, { 'if-none-match': headers.etag! })).status).toBe(200);
  });

  it('answers a reader who waits as soon as the run rests, not at the end of the wait', async () => {
    const { runId } = await submit(server, planned([noop('a')]));
    const { body } = await server.get<RunBody>(`/runs/${runId}`, { prefer: 'respond-async, wait=120' });
    expect(body.status).toBe('succeeded');
  });

  it('answers a reader who waits for a run that goes on, when the wait is over', async () => {
    const { runId } = await submit(server, planned([hangs('a')]));
    const { body } = await server.get<RunBody>(`/runs/${runId}`, { prefer: 'wait=1' });
    expect(body).toMatchObject({
      status: 'executing',
      commands: ['pause', 'cancel', 'skip', 'budget', 'takeover', 'fork'],
    });
    expect(body.steps).toEqual([{ id: 'a', title: 'step a', state: 'backoff', attempt: 2 }]);
    await server.post(`/runs/${runId}/cancel`, {});
  });

  it('shows each step with its output, its evidence and where it ran', async () => {
    const { id } = await submitAndRest(server, planned([write('a', 'outputs/a.txt', 'hi')]));
    const { body } = await server.get<{ steps: Record<string, unknown>[] }>(`/runs/${id}/steps`);
    const digest = '8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4';
    expect(body.steps).toEqual([
      {
        id: 'a',
        parent: null,
        title: 'step a',
        does: 'workspace.call',
        state: 'succeeded',
        attempt: 1,
        asked: null,
        runtime: 'workspace',
        runtimeReason: 'the step does workspace.call',
        output: {
          digest: expect.any(String),
          bytes: expect.any(Number),
          inline: { path: 'outputs/a.txt', digest, bytes: 2 },
        },
        failure: null,
        evidence: [{ kind: 'file', path: 'outputs/a.txt', digest, bytes: 2 }],
        durationMs: expect.any(Number),
        startedAt: expect.any(String),
        finishedAt: expect.any(String),
      },
    ]);
  });

  it('counts all steps as finished when it has succeeded, those of forEach too', async () => {
    const each = { ...noop('each'), forEach: '{{ [1, 2, 3] }}' };
    const run = await submitAndRest(server, planned([each, noop('last', { needs: ['each'] })]));
    expect(run).toMatchObject({ status: 'succeeded', stepsTotal: 5, stepsFinished: 5 });
    expect(run.steps.map(({ id, state }) => `${id} ${state}`)).toEqual([
      'each succeeded',
      'last succeeded',
      'each.0 succeeded',
      'each.1 succeeded',
      'each.2 succeeded',
    ]);
  });

  it('shows its machine: where it is, what may come next, and a picture', async () => {
    const { runId } = await submit(server, planned([noop('a')], { approval: 'plan' }));
    await rested(server, runId);
    const { status, body } = await server.get(`/runs/${runId}/machine`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      machine: 'run@1',
      rev: 2,
      status: 'awaiting-approval',
      active: ['active', 'active.awaitingApproval'],
      commands: ['pause', 'cancel', 'approve', 'reject', 'skip', 'budget', 'takeover', 'fork'],
    });
    expect(body.events).toEqual(
      expect.arrayContaining(['plan.approved', 'plan.rejected', 'run.paused', 'run.cancelled']),
    );
    expect(body.mermaid).toContain('stateDiagram-v2\n  [*] --> queued\n');
    expect(body.mermaid).toContain('  class awaitingApproval active\n');
  });
});

describe('a list of runs', () => {
  let ids: string[];
  let other: TestServer;
  beforeAll(async () => {
    other = server;
    server = await startServer();
    ids = [];
    for (let index = 0; index < 7; index++) {
      const steps =
        index === 3 ? [write('w', '../x')] : [noop('a', { title: index % 2 ? 'odd 50% of_it' : 'even' })];
      ids.push((await submitAndRest(server, planned(steps))).id);
    }
    ids.push((await submitAndRest(server, { template: 'web_research', dryRun: true })).id);
    ids.reverse();
  });
  afterAll(async () => {
    await server.stop();
    server = other;
  });

  it.each([1, 2, 3, 7, 8])('shows each run once over pages of %i, the newest first', async (limit) => {
    const all = await pages(`limit=${limit}`);
    expect(all.flatMap(({ runs }) => runs.map(({ id }) => id))).toEqual(ids);
    expect(all.map(({ runs }) => runs.length).slice(0, -1)).toEqual(Array(all.length - 1).fill(limit));
  });

  it('has no next page when the last one is just full', async () => {
    expect(await list('limit=8')).not.toHaveProperty('next');
  });

  it('shows no run twice when new ones come while it is read', async () => {
    const first = await list('limit=4');
    const { id } = await submitAndRest(server, planned([noop('late')]));
    const second = await list(`limit=4&cursor=${encodeURIComponent(first.next!)}`);
    expect([...first.runs, ...second.runs].map((run) => run.id)).toEqual(ids);
    ids.unshift(id);
  });

  it('is filtered by status, one or several', async () => {
    expect((await list('status=failed')).runs.map(({ id }) => id)).toEqual([ids.at(-4)]);
    expect((await list('status=failed,succeeded')).runs).toHaveLength(ids.length);
    expect((await list('status=paused')).runs).toEqual([]);
  });

  it('is filtered by template and by words of the title, taken literally', async () => {
    expect((await list('template=web_research')).runs).toHaveLength(1);
    expect((await list('q=odd')).runs).toHaveLength(2);
    expect((await list('q=even&status=succeeded')).runs).toHaveLength(4);
    expect((await list(`q=${encodeURIComponent('50% of_it')}`)).runs).toHaveLength(2);
    expect((await list(`q=${encodeURIComponent('o%d')}`)).runs).toHaveLength(0);
  });

  it('of missions shows each once over pages too', async () => {
    const seen: unknown[] = [];
    for (let cursor = ''; ;) {
      const { body } = await server.get<{ missions: { id: string }[]; next?: string }>(
        `/missions?limit=2${cursor}`,
      );
      seen.push(...body.missions.map(({ id }) => id));
      if (body.next === undefined) break;
      cursor = `&cursor=${encodeURIComponent(body.next)}`;
    }
    expect(seen).toEqual(ids.map((id) => id.replace('run_', 'mission_')));
  });
});

describe('a query that cannot be read', () => {
  const bad: [string, string][] = [
    ['/runs?limit=0', 'limit'],
    ['/runs?limit=201', 'limit'],
    ['/runs?limit=ten', 'limit'],
    ['/runs?limit=1e2', 'limit'],
    ['/runs?limit=1&limit=2', 'limit'],
    ['/runs?limit=', 'limit'],
    ['/runs?cursor=yesterday', 'cursor'],
    ['/runs?cursor=a~b&cursor=c~d', 'cursor'],
    ['/runs?status=done', 'status'],
    ['/runs?status=failed&status=paused', 'status'],
    ['/runs?q=a&q=b', 'q'],
    ['/runs?template=a&template=b', 'template'],
    ['/missions?limit=-1', 'limit'],
    ['/missions?cursor=yesterday', 'cursor'],
    ['/runs/{run}?minSeq=-1', 'minSeq'],
    ['/runs/{run}?minSeq=99999999999999999999', 'minSeq'],
    ['/runs/{run}/events?after=-1', 'after'],
    ['/runs/{run}/events?limit=1000', 'limit'],
  ];

  it.each(bad)('is refused, naming the parameter: %s', async (path, name) => {
    const { runId } = await submit(server, planned([noop('a')]));
    const { status, headers, body } = await server.get<ProblemBody>(path.replace('{run}', runId));
    expect([status, body.code]).toEqual([400, 'bad-query']);
    expect(headers['content-type']).toContain('application/problem+json');
    expect(body.detail).toMatch(new RegExp(`^${name}: expected`));
  });

  it('is refused when a stream is resumed after something that is no revision', async () => {
    const { runId } = await submit(server, planned([noop('a')]));
    const { status, body } = await server.get<ProblemBody>(`/runs/${runId}/events`, {
      accept: 'text/event-stream',
      'last-event-id': 'abc',
    });
    expect([status, body.code]).toEqual([400, 'bad-query']);
  });
});

describe('what is not there', () => {
  const absent: [string, string, string][] = [
    ['GET', '/nothing', 'not-found'],
    ['PUT', '/missions', 'not-found'],
    ['DELETE', '/runs/run_1', 'not-found'],
    ['GET', '/runs/run_01HZZZZZZZZZZZZZZZZZZZZZZZ', 'run-not-found'],
    ['GET', '/runs/run_01HZZZZZZZZZZZZZZZZZZZZZZZ/steps', 'run-not-found'],
    ['GET', '/runs/run_01HZZZZZZZZZZZZZZZZZZZZZZZ/events', 'run-not-found'],
    ['GET', '/runs/run_01HZZZZZZZZZZZZZZZZZZZZZZZ/artifacts', 'run-not-found'],
    ['GET', '/runs/run_01HZZZZZZZZZZZZZZZZZZZZZZZ/files', 'run-not-found'],
    ['GET', '/runs/run_01HZZZZZZZZZZZZZZZZZZZZZZZ/files/a.txt', 'run-not-found'],
    ['GET', '/runs/run_01HZZZZZZZZZZZZZZZZZZZZZZZ/machine', 'run-not-found'],
    ['POST', '/runs/run_01HZZZZZZZZZZZZZZZZZZZZZZZ/pause', 'run-not-found'],
    ['POST', '/runs/run_01HZZZZZZZZZZZZZZZZZZZZZZZ/explode', 'unknown-command'],
    ['GET', '/runs/no.run*here%20%3E', 'run-not-found'],
    ['GET', '/runs/no.run*here%20%3E/events', 'run-not-found'],
    ['GET', '/runs/no.run*here%20%3E/machine', 'run-not-found'],
    ['POST', '/runs/no.run*here%20%3E/pause', 'run-not-found'],
    ['GET', '/runs/..%2f..%2fetc/files', 'run-not-found'],
  ];

  it.each(absent)('answers %s %s with a problem that says so', async (method, path, code) => {
    const { status, headers, body } = await server.ask<ProblemBody>(path, { method });
    expect([status, body.status, body.code]).toEqual([404, 404, code]);
    expect(headers['content-type']).toContain('application/problem+json');
    expect(body.hint).toBeTruthy();
  });

  it('answers a malformed URL with a problem too', async () => {
    const { status, headers, body } = await server.get<ProblemBody>('/runs/%zz');
    expect([status, body.code]).toEqual([400, 'fst-err-bad-url']);
    expect(headers['content-type']).toContain('application/problem+json');
  });

  it('answers a reader who waits at once', async () => {
    const { status } = await server.get('/runs/run_01HZZZZZZZZZZZZZZZZZZZZZZZ', { prefer: 'wait=60' });
    expect(status).toBe(404);
  });

  it('reported no fault of the server', () => {
    expect(server.lines.filter((line) => line.startsWith('fault'))).toEqual([]);
  });
});
