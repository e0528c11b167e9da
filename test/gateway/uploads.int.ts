import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call, noop, planned } from '../support/server-missions.js';
import {
  rested,
  startServer,
  type Accepted,
  type ProblemBody,
  type TestServer,
} from '../support/server-test.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ SKYAGENT_RUN_MAX_BYTES: '1000000' });
});
afterAll(() => server.stop());

type Files = readonly (readonly [string, string | Buffer])[];

async function send(
  mission: object | string | undefined,
  files: Files,
  headers: Record<string, string> = {},
) {
  const form = new FormData();
  if (mission !== undefined)
    form.append('mission', typeof mission === 'string' ? mission : JSON.stringify(mission));
  for (const [name, data] of files) form.append('files', new Blob([data as string]), name);
  const response = await fetch(`${server.url}/missions`, { method: 'POST', body: form, headers });
  return { status: response.status, body: (await response.json()) as Accepted & ProblemBody };
}
const leftovers = () => readdir(join(server.home.home, 'uploads')).catch(() => []);
const reads = planned([call('read', 'fs.read', { path: 'inputs/a.txt' })]);

describe('a mission with files', () => {
  it('has them in its inputs before its first step, with their digests in the log', async () => {
    const { status, body } = await send(reads, [
      ['a.txt', 'hello'],
      ['Größe 1.csv', 'a,b\n'],
    ]);
    expect(status).toBe(202);
    expect(await rested(server, body.runId)).toMatchObject({ status: 'succeeded' });
    const { text } = await server.get(
      `/runs/${body.runId}/files/inputs/${encodeURIComponent('Größe 1.csv')}`,
    );
    expect(text).toBe('a,b\n');
    const { events } = (
      await server.get<{ events: { data: { mission?: object } }[] }>(`/runs/${body.runId}/events`)
    ).body;
    expect(events[0]!.data.mission).toMatchObject({
      files: [
        {
          path: 'inputs/a.txt',
          digest: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
          bytes: 5,
        },
        { path: 'inputs/Größe 1.csv' },
      ],
    });
    expect(await leftovers()).toEqual([]);
  });

  it('is the same run when it comes again under its key, and another when a file differs', async () => {
    const key = { 'idempotency-key': 'upload-1' };
    const first = await send(reads, [['a.txt', 'one']], key);
    expect((await send(reads, [['a.txt', 'one']], key)).body.runId).toBe(first.body.runId);
    const other = await send(reads, [['a.txt', 'two']], key);
    expect([other.status, other.body.code]).toEqual([422, 'idempotency-key-reused']);
    await rested(server, first.body.runId);
    expect((await server.get(`/runs/${first.body.runId}/files/inputs/a.txt`)).text).toBe('one');
  });

  it('keeps them for a retry', async () => {
    const { body } = await send(reads, [['a.txt', 'again']]);
    await rested(server, body.runId);
    const retry = await server.post<Accepted>(`/runs/${body.runId}/retry`, {});
    expect(await rested(server, retry.body.runId)).toMatchObject({ status: 'succeeded' });
  });
});

describe('a file of a run', () => {
  it('is sent in parts, whole, or not at all, as the request asks', async () => {
    const { body } = await send(reads, [['a.txt', '0123456789']]);
    await rested(server, body.runId);
    const get = (headers: Record<string, string> = {}) =>
      server.get(`/runs/${body.runId}/files/inputs/a.txt`, headers);
    const whole = await get();
    expect([whole.status, whole.text, whole.headers['accept-ranges']]).toEqual([200, '0123456789', 'bytes']);
    const part = await get({ range: 'bytes=2-4' });
    expect([part.status, part.text, part.headers['content-range']]).toEqual([206, '234', 'bytes 2-4/10']);
    const beyond = await get({ range: 'bytes=10-' });
    expect([beyond.status, beyond.headers['content-range']]).toEqual([416, 'bytes */10']);
    const etag = String(whole.headers.etag);
    expect((await get({ 'if-none-match': etag })).status).toBe(304);
    expect((await get({ range: 'bytes=2-4', 'if-range': '"another"' })).text).toBe('0123456789');
    expect((await get({ range: 'bytes=2-4', 'if-range': etag })).text).toBe('234');
  });
});

describe('a form that is not accepted', () => {
  it.each<[string, object | string | undefined, Files, number, string]>([
    ['without a mission', undefined, [['a.txt', 'x']], 422, 'no-mission'],
    ['with a mission that is no JSON', '{', [['a.txt', 'x']], 400, 'not-json'],
    ['with a mission that is wrong', {}, [['a.txt', 'x']], 422, 'invalid-mission'],
    [
      'with two files of one name',
      reads,
      [
        ['a.txt', 'x'],
        ['a.txt', 'y'],
      ],
      422,
      'same-file-twice',
    ],
    ['with a name that leads out', reads, [['..', 'x']], 422, 'no-file-name'],
    ['with more than a run may hold', reads, [['a.txt', Buffer.alloc(1_100_000)]], 413, 'quota-exceeded'],
    [
      'for a mission that runs again and again',
      { ...reads, schedule: { cron: '0 9 * * *' } },
      [['a.txt', 'x']],
      422,
      'files-of-one-run',
    ],
  ])('%s says why, and leaves nothing behind', async (_, mission, files, status, code) => {
    const before = await server.logged();
    const answer = await send(mission, files);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(await server.logged()).toBe(before);
    expect(await leftovers()).toEqual([]);
  });

  it('with a file that is too large is cut off', async () => {
    const { status, body } = await send(reads, [['big.bin', Buffer.alloc(65 * 1024 * 1024)]]);
    expect([status, body.code]).toEqual([413, 'file-too-large']);
    expect(await leftovers()).toEqual([]);
  });

  it('as JSON cannot claim files that did not come', async () => {
    const files = [{ path: 'inputs/a.txt', digest: '0'.repeat(64), bytes: 1 }];
    const { status, body } = await server.post<ProblemBody>('/missions', { ...planned([noop('a')]), files });
    expect([status, body.errors?.[0]?.message]).toEqual([422, expect.stringContaining('files')]);
  });
});
