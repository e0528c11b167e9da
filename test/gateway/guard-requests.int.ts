import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseConfig } from '../../src/config.js';
import { serve } from '../../src/serve.js';
import { makeHome } from '../support/server-home.js';
import { noop, planned } from '../support/server-missions.js';
import { startServer, submit, type ProblemBody, type TestServer } from '../support/server-test.js';

describe('a server on loopback', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ SKYAGENT_ALLOWED_ORIGINS: 'http://console.test:3000' });
  });
  afterAll(() => server.stop());
  const port = () => new URL(server.url).port;

  it.each([
    'evil.example',
    'evil.example:8787',
    '127.0.0.1.evil.example',
    '192.168.0.7',
    'localhost.evil.example',
  ])('refuses the Host %j, against DNS rebinding', async (host) => {
    const { status, body } = await server.get<ProblemBody>('/runs', { host });
    expect([status, body.code]).toEqual([403, 'host-not-allowed']);
  });

  it.each(['127.0.0.1', 'localhost', 'localhost:1', '[::1]:8787'])('takes the Host %s', async (host) => {
    expect((await server.get('/runs', { host })).status).toBe(200);
  });

  it.each(['https://evil.example', 'null', 'http://127.0.0.1:1', 'http://console.test', 'file://'])(
    'refuses pages of the origin %s, and writes nothing for them',
    async (origin) => {
      const before = await server.logged();
      const { status, body } = await server.post<ProblemBody>('/missions', planned([noop('a')]), { origin });
      expect([status, body.code]).toEqual([403, 'origin-not-allowed']);
      expect(await server.logged()).toBe(before);
    },
  );

  it('takes pages of its own origin, and of one that is allowed', async () => {
    expect((await server.get('/runs', { origin: server.url })).status).toBe(200);
    expect(
      (await server.get('/runs', { host: `localhost:${port()}`, origin: `http://localhost:${port()}` }))
        .status,
    ).toBe(200);
    expect((await server.get('/runs', { origin: 'http://console.test:3000' })).status).toBe(200);
  });

  it('refuses both with problem+json, on every path', async () => {
    for (const path of ['/livez', '/nothing', '/openapi.json']) {
      const { status, headers } = await server.get(path, { host: 'evil.example' });
      expect([status, headers['content-type']]).toEqual([403, 'application/problem+json; charset=utf-8']);
    }
  });

  it('acts for the local operator without a key', async () => {
    const { runId } = await submit(server, planned([noop('a')]));
    const { body } = await server.get<{ events: { actor: string }[] }>(`/runs/${runId}/events`);
    expect(body.events[0]!.actor).toBe('operator:local');
  });
});

describe('a server with API keys', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ SKYAGENT_API_KEYS: 'first-key, second-key' });
  });
  afterAll(() => server.stop());
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

  const wrong: [string, Record<string, string>][] = [
    ['no key', {}],
    ['a wrong key', bearer('third-key')],
    ['an empty key', { authorization: 'Bearer ' }],
    ['both keys as one', bearer('first-key, second-key')],
    ['another scheme', { authorization: 'Basic first-key' }],
    ['a key in the wrong case', bearer('FIRST-KEY')],
  ];
  it.each(wrong)('refuses a request with %s, and writes nothing for it', async (_, headers) => {
    const before = await server.logged();
    const { status, body } = await server.post<ProblemBody>('/missions', planned([noop('a')]), headers);
    expect([status, body.code]).toEqual([401, 'no-valid-key']);
    expect(body.hint).toBe('send Authorization: Bearer <key>');
    expect(await server.logged()).toBe(before);
  });

  it('says whether it lives and is ready to anybody', async () => {
    expect((await server.get('/livez')).status).toBe(200);
    expect((await server.get('/readyz')).status).toBe(200);
  });

  it.each(['/runs', '/missions', '/queue', '/templates', '/openapi.json', '/nothing'])(
    'says nothing else without one: %s',
    async (path) => {
      expect((await server.get(path)).status).toBe(401);
    },
  );

  it('writes who acted as the first eight digits of the SHA-256 of the key', async () => {
    const { runId } = await submit(server, planned([noop('a')], { approval: 'plan' }), bearer('first-key'));
    await server.get(`/runs/${runId}`, { prefer: 'wait=30', ...bearer('first-key') });
    await server.post(`/runs/${runId}/cancel`, {}, bearer('second-key'));
    const { body } = await server.get<{ events: { type: string; actor: string }[] }>(
      `/runs/${runId}/events`,
      bearer('first-key'),
    );
    expect(
      body.events
        .filter(({ actor }) => actor.startsWith('operator:'))
        .map(({ type, actor }) => [type, actor]),
    ).toEqual([
      ['skyagent.run.created', 'operator:9e24b553'],
      ['skyagent.run.cancelled', 'operator:f397f260'],
    ]);
    expect(JSON.stringify(body)).not.toContain('first-key');
  });

  it('gives the same Idempotency-Key of two holders two runs', async () => {
    const same = { 'idempotency-key': 'one' };
    const first = await submit(server, planned([noop('a')]), { ...same, ...bearer('first-key') });
    const second = await submit(server, planned([noop('a')]), { ...same, ...bearer('second-key') });
    expect(first.runId).not.toBe(second.runId);
  });
});

describe('a server on another address than loopback', () => {
  it('does not start without API keys, and leaves nothing behind', async () => {
    const home = await makeHome();
    const config = parseConfig({ SKYAGENT_PORT: '0', SKYAGENT_HOST: '0.0.0.0' }, home.folder);
    await expect(serve(config, () => undefined)).rejects.toMatchObject({
      code: 'cannot-serve',
      message: 'listening on 0.0.0.0 needs SKYAGENT_API_KEYS: others could reach this server',
    });
    await home.remove();
  });

  it('takes any Host from holders of a key', async () => {
    const server = await startServer({ SKYAGENT_HOST: '0.0.0.0', SKYAGENT_API_KEYS: 'k' });
    const headers = { host: 'agents.example', authorization: 'Bearer k' };
    expect((await server.get('/runs', headers)).status).toBe(200);
    expect((await server.get('/runs', { host: 'agents.example' })).status).toBe(401);
    await server.stop();
  });
});
