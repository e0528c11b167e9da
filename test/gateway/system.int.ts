import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { eventually } from '../support/server-home.js';
import { hangs, noop, planned } from '../support/server-missions.js';
import { startServer, submit, submitAndRest, type TestServer } from '../support/server-test.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

interface OpenApi {
  readonly openapi: string;
  readonly paths: Record<
    string,
    Record<string, { parameters?: object[]; requestBody?: Body; responses: Record<string, object> }>
  >;
}
interface Body {
  readonly required: boolean;
  readonly content: { 'application/json': { schema: object } };
}

describe('the process', () => {
  it('says that it lives', async () => {
    expect((await server.get('/livez')).body).toEqual({ status: 'ok' });
  });

  it('says that it is ready, and on which NATS', async () => {
    const { status, body } = await server.get('/readyz');
    expect(status).toBe(200);
    expect(body).toEqual({
      status: 'ready',
      reasons: [],
      nats: {
        url: expect.stringMatching(/^nats:\/\/127\.0\.0\.1:\d+$/),
        version: expect.stringMatching(/^2\.\d+\.\d+/),
        partitions: 2,
      },
      roles: ['gateway', 'worker', 'projector'],
      worker: { id: server.engine.worker!.id, runs: 0 },
    });
  });

  it('lists the templates with what they ask for and a sample', async () => {
    const { body } = await server.get<{ templates: { id: string; inputs: object; sample: object }[] }>(
      '/templates',
    );
    expect(body.templates.map(({ id }) => id)).toContain('web_research');
    for (const { inputs, sample } of body.templates) {
      expect(new Ajv2020({ strict: false }).validate(inputs, sample)).toBe(true);
    }
  });

  it('shows who owns which run in the queue, and forgets those at rest', async () => {
    await submitAndRest(server, planned([noop('a')]));
    const { runId } = await submit(server, planned([hangs('a')]));
    const queue = async () => (await server.get<{ owned: number; jobs: { runId: string }[] }>('/queue')).body;
    await eventually(async () => (await queue()).owned === 1, 'the run to have an owner');
    expect(await queue()).toMatchObject({
      queued: 0,
      owned: 1,
      jobs: [{ runId, state: 'owned', worker: server.engine.worker!.id }],
    });
    await server.post(`/runs/${runId}/cancel`, {});
    await eventually(async () => (await queue()).jobs.length === 0, 'the queue to be empty');
  });
});

describe('/openapi.json', () => {
  const document = async (): Promise<OpenApi> => (await server.get<OpenApi>('/openapi.json')).body;

  it('is OpenAPI 3.1 and names every route of the interface', async () => {
    const { openapi, paths } = await document();
    expect(openapi).toBe('3.1.0');
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    expect(routes.sort()).toEqual([
      'get /asyncapi.json',
      'get /desktops',
      'get /livez',
      'get /missions',
      'get /openapi.json',
      'get /queue',
      'get /readyz',
      'get /runs',
      'get /runs/{id}',
      'get /runs/{id}/artifacts',
      'get /runs/{id}/events',
      'get /runs/{id}/files',
      'get /runs/{id}/files/{path}',
      'get /runs/{id}/live',
      'get /runs/{id}/machine',
      'get /runs/{id}/steps',
      'get /runs/{id}/traces',
      'get /templates',
      'post /desktops/{name}/handback',
      'post /desktops/{name}/stop',
      'post /hooks/skyvern',
      'post /missions',
      'post /runs/pause',
      'post /runs/{id}/approve',
      'post /runs/{id}/budget',
      'post /runs/{id}/cancel',
      'post /runs/{id}/fork',
      'post /runs/{id}/handback',
      'post /runs/{id}/live',
      'post /runs/{id}/pause',
      'post /runs/{id}/reject',
      'post /runs/{id}/resume',
      'post /runs/{id}/retry',
      'post /runs/{id}/settle',
      'post /runs/{id}/skip',
      'post /runs/{id}/takeover',
      'post /runs/{id}/takeover/actions',
      'post /runs/{id}/takeover/heartbeat',
    ]);
  });

  it('names no route that does not answer, and no status that the route does not know', async () => {
    const { paths } = await document();
    const { id } = await submitAndRest(server, planned([noop('a')]));
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, { responses }] of Object.entries(methods)) {
        const address = path.replace('{id}', id).replace('{path}', 'none.txt');
        const answer = await server.ask(address, { method: method.toUpperCase() });
        expect(Object.keys(responses)).toContain(String(answer.status));
        expect(answer.body.code ?? 'none').not.toBe('not-found');
      }
    }
  });

  it('has a parameter for every hole in a path', async () => {
    const { paths } = await document();
    for (const [path, methods] of Object.entries(paths)) {
      const holes = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
      for (const operation of Object.values(methods)) {
        const inPath = (operation.parameters ?? []).filter(
          (parameter) => 'in' in parameter && parameter.in === 'path',
        );
        expect(inPath.map((parameter) => (parameter as { name: string }).name).sort()).toEqual(holes.sort());
      }
    }
  });

  it('describes missions with a JSON Schema that takes and refuses what the server does', async () => {
    const { paths } = await document();
    const { schema } = paths['/missions']!.post!.requestBody!.content['application/json'];
    const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(schema);
    expect(validate(planned([noop('a')]))).toBe(true);
    expect(validate({ objective: 7 })).toBe(false);
    expect(validate({ objective: 'x', unknown: 1 })).toBe(false);
  });
});

describe('/asyncapi.json', () => {
  it('is AsyncAPI 3 and describes the events on NATS', async () => {
    const { status, body } = await server.get<{ asyncapi: string; channels: object }>('/asyncapi.json');
    expect(status).toBe(200);
    expect(body.asyncapi).toMatch(/^3\./);
    expect(JSON.stringify(body)).toContain('step.succeeded');
  });
});
