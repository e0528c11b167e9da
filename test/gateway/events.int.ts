import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Envelope } from '#events/envelope.js';
import { LogUnavailableError, type EventLog } from '../../src/log/event-log.js';
import { open, sentEvents, type SentEvent } from '../support/server-http.js';
import { noop, planned } from '../support/server-missions.js';
import { rested, startServer, submit, submitAndRest, type TestServer } from '../support/server-test.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const TYPES = ['run.created', 'run.started', 'step.succeeded', 'step.succeeded', 'run.succeeded'];
const chain = planned([noop('a'), noop('b', { needs: ['a'] })]);

async function stream(
  runId: string,
  headers: Record<string, string> = {},
  enough?: number,
): Promise<SentEvent[]> {
  const response = await open(server.url, `/runs/${runId}/events`, {
    headers: { accept: 'text/event-stream', ...headers },
  });
  expect(response.headers['content-type']).toBe('text/event-stream');
  return sentEvents(response, enough);
}

describe('a stream of a run’s events', () => {
  it('sends every event with its revision as id, and ends with the run', async () => {
    const { id } = await submitAndRest(server, chain);
    const events = await stream(id);
    expect(events.map((event) => event.id)).toEqual(['1', '2', '3', '4', '5']);
    expect(events.map((event) => event.event)).toEqual(TYPES);
    expect(events.map(({ data }) => data.type)).toEqual(TYPES.map((type) => `skyagent.${type}`));
    const { body } = await server.get<{ events: Envelope[] }>(`/runs/${id}/events`);
    expect(events.map(({ data }) => data)).toEqual(body.events);
  });

  it('sends what happens while it is open, without a gap', async () => {
    const { runId } = await submit(server, chain);
    const events = await stream(runId);
    expect(events.map((event) => `${event.id} ${event.event}`)).toEqual(
      TYPES.map((type, index) => `${index + 1} ${type}`),
    );
  });

  it('waits with a run that waits, and goes on with it', async () => {
    const { runId } = await submit(server, planned([noop('a')], { approval: 'plan' }));
    const streaming = stream(runId);
    expect((await rested(server, runId)).status).toBe('awaiting-approval');
    await server.post(`/runs/${runId}/approve`, {});
    const events = await streaming;
    expect(events.map((event) => event.event)).toEqual([
      'run.created',
      'run.started',
      'plan.approved',
      'step.succeeded',
      'run.succeeded',
    ]);
  });

  it('resumes after the event a reader has seen last', async () => {
    const { runId } = await submit(server, chain);
    const first = await stream(runId, {}, 2);
    const lastSeen = first.at(-1)!.id;
    const rest = await stream(runId, { 'last-event-id': lastSeen });
    expect([...first, ...rest].map(({ id }) => id)).toEqual(['1', '2', '3', '4', '5']);
  });

  it('ends at once for a reader who has seen the end', async () => {
    const { id } = await submitAndRest(server, chain);
    expect(await stream(id, { 'last-event-id': '5' })).toEqual([]);
  });

  it('reaches many readers of many runs at once', async () => {
    const runs = await Promise.all(Array.from({ length: 10 }, () => submit(server, chain)));
    const streams = await Promise.all(runs.flatMap(({ runId }) => [stream(runId), stream(runId)]));
    expect(streams.map((events) => events.map(({ event }) => event))).toEqual(
      Array.from({ length: 20 }, () => TYPES),
    );
  });
});

describe('a run’s events as JSON', () => {
  it('come page by page, without gaps or repeats', async () => {
    const { id } = await submitAndRest(server, chain);
    const revs: number[] = [];
    for (let after: number | undefined = 0; after !== undefined;) {
      const { body }: { body: { events: Envelope[]; next?: number } } = await server.get(
        `/runs/${id}/events?limit=2&after=${after}`,
      );
      expect(body.events.length).toBeLessThanOrEqual(2);
      revs.push(...body.events.map(({ rev }) => rev));
      after = body.next;
    }
    expect(revs).toEqual([1, 2, 3, 4, 5]);
  });

  it('are CloudEvents, each chained to the one before it', async () => {
    const { id } = await submitAndRest(server, chain);
    const { body } = await server.get<{ events: Envelope[] }>(`/runs/${id}/events`);
    expect(body.events[0]).toMatchObject({
      specversion: '1.0',
      id: `${id}:1`,
      source: `/runs/${id}`,
      type: 'skyagent.run.created',
      subject: id,
      datacontenttype: 'application/json',
      dataschema: 'urn:skyagentos:schema:run.created:1',
      rev: 1,
      machine: 'run@1',
      prevhash: '0'.repeat(64),
    });
    expect(body.events.slice(1).map(({ prevhash }) => prevhash)).toEqual(
      body.events.slice(0, -1).map(({ hash }) => hash),
    );
  });

  it('are none after the last one', async () => {
    const { id } = await submitAndRest(server, chain);
    expect((await server.get(`/runs/${id}/events?after=5`)).body).toEqual({ events: [] });
  });
});

describe('a stream whose log fails in the middle', () => {
  it('ends, so that its reader can come back for the rest', async () => {
    const own = await startServer();
    const { runId } = await submit(own, planned([noop('a')], { approval: 'plan' }));
    await rested(own, runId);
    const read = own.engine.log.read.bind(own.engine.log);
    let reads = 0;
    const failing: EventLog['read'] = (...of) =>
      ++reads > 1 ? Promise.reject(new LogUnavailableError('gone')) : read(...of);
    Object.assign(own.engine.log, { read: failing });
    const response = await open(own.url, `/runs/${runId}/events`, {
      headers: { accept: 'text/event-stream' },
    });
    expect((await sentEvents(response)).map(({ id }) => id)).toEqual(['1', '2']);
    await own.stop();
  });
});

describe('a server that stops', () => {
  it('ends the streams that are open', async () => {
    const own = await startServer();
    const { runId } = await submit(own, planned([noop('a')], { approval: 'plan' }));
    await rested(own, runId);
    const response = await open(own.url, `/runs/${runId}/events`, {
      headers: { accept: 'text/event-stream' },
    });
    const streaming = sentEvents(response).then(
      (events) => events.length,
      (error: Error) => error.message,
    );
    await own.stop();
    expect([2, 'aborted']).toContain(await streaming);
  });
});
