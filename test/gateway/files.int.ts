import { link, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call, noop, planned, write } from '../support/server-missions.js';
import { startServer, submitAndRest, type ProblemBody, type TestServer } from '../support/server-test.js';

let server: TestServer;
let runId: string;
beforeAll(async () => {
  server = await startServer();
  const steps = [
    write('note', 'outputs/note.md', '# Hi'),
    write('page', 'outputs/page.html', '<script>alert(1)</script>'),
    write('data', 'outputs/data.json', '{}'),
    write('odd', 'outputs/odd.svg', '<svg/>'),
    write('name', 'outputs/a name with ümlauts & 100%.txt', 'x'),
    call('list', 'fs.list', {}, { needs: ['note', 'page', 'data', 'odd', 'name'] }),
  ];
  runId = (await submitAndRest(server, planned(steps))).id;
});
afterAll(() => server.stop());

const file = (path: string) => server.get(`/runs/${runId}/files/${path}`);

describe('the files of a run', () => {
  it('are listed with size and SHA-256', async () => {
    const { body } = await server.get<{ files: { path: string }[] }>(`/runs/${runId}/files`);
    expect(body.files.map(({ path }) => path).filter((path) => path.startsWith('outputs/'))).toEqual([
      'outputs/a name with ümlauts & 100%.txt',
      'outputs/data.json',
      'outputs/note.md',
      'outputs/odd.svg',
      'outputs/page.html',
    ]);
    expect(body.files).toContainEqual({
      path: 'outputs/note.md',
      bytes: 4,
      digest: '38c64a17e33e98b7abb8edace0888dffe5918eea28fe4812281fa1ecc0664af4',
    });
  });

  it('are none for a run that made none', async () => {
    const { id } = await submitAndRest(server, planned([noop('a')]));
    expect((await server.get(`/runs/${id}/files`)).body).toEqual({ files: [] });
  });

  const types: [string, string][] = [
    ['outputs/note.md', 'text/markdown; charset=utf-8'],
    ['outputs/page.html', 'text/html; charset=utf-8'],
    ['outputs/data.json', 'application/json'],
    ['outputs/odd.svg', 'application/octet-stream'],
    ['outputs/a%20name%20with%20%C3%BCmlauts%20%26%20100%25.txt', 'text/plain; charset=utf-8'],
  ];
  it.each(types)(
    'are served so that a page among them cannot act in this server’s origin: %s',
    async (path, type) => {
      const { status, headers } = await file(path);
      expect(status).toBe(200);
      expect(headers).toMatchObject({
        'content-type': type,
        'x-content-type-options': 'nosniff',
        'content-security-policy':
          "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:",
      });
    },
  );

  it('come byte for byte, with their SHA-256 as ETag', async () => {
    const { text, headers } = await file('outputs/note.md');
    expect(text).toBe('# Hi');
    expect(headers.etag).toBe('"38c64a17e33e98b7abb8edace0888dffe5918eea28fe4812281fa1ecc0664af4"');
  });

  it('that are not there are a problem that says so', async () => {
    const { status, body } = await server.get<ProblemBody>(`/runs/${runId}/files/outputs/none.txt`);
    expect([status, body.code]).toEqual([404, 'file-not-found']);
  });
});

describe('a path out of a run’s folder', () => {
  const refused = [
    '../../../../etc/passwd',
    '..%2f..%2f..%2f..%2fetc%2fpasswd',
    '%2e%2e/%2e%2e/secret.txt',
    'outputs/../../../secret.txt',
    '%2fetc%2fpasswd',
    '/etc/passwd',
    'outputs%5c..%5c..%5csecret.txt',
    'outputs/note.md%00.png',
    'C:/secret.txt',
    '.',
  ];
  beforeAll(async () => {
    const root = join(server.home.folder, 'agentfs', 'missions');
    await writeFile(join(root, 'secret.txt'), 'secret');
    await mkdir(join(root, runId, 'links'), { recursive: true });
    await symlink(join(root, 'secret.txt'), join(root, runId, 'links', 'soft.txt'));
    await link(join(root, 'secret.txt'), join(root, runId, 'links', 'hard.txt'));
    await symlink(root, join(root, runId, 'links', 'folder'));
  });

  it.each(refused)('is refused: %s', async (path) => {
    const { status, body, text } = await server.get<ProblemBody>(`/runs/${runId}/files/${path}`);
    expect([400, 404]).toContain(status);
    expect(['path-refused', 'not-found', 'run-not-found', 'unknown-command']).toContain(body.code);
    expect(text).not.toContain('root:');
  });

  it.each(['links/soft.txt', 'links/hard.txt', 'links/folder/secret.txt', 'outputs'])(
    'is refused when it is a link, leads over one, or is no file: %s',
    async (path) => {
      const { status, body } = await server.get<ProblemBody>(`/runs/${runId}/files/${path}`);
      expect([status, body.code]).toEqual([400, 'path-refused']);
    },
  );

  it('does not break the list of what is there', async () => {
    const { status, body } = await server.get<{ files: { path: string }[] }>(`/runs/${runId}/files`);
    expect(status).toBe(200);
    expect(body.files.map(({ path }) => path).filter((path) => path.startsWith('links/'))).toEqual([]);
  });
});

describe('the artifacts of a run', () => {
  it('are listed by type and digest, and can be read as files', async () => {
    const note = call('note', 'text.markdown', { path: 'outputs/a.md', text: 'A *word*.', title: 'A' });
    const { id } = await submitAndRest(server, planned([note]));
    const { body } = await server.get<{ artifacts: { path: string; digest: string }[] }>(
      `/runs/${id}/artifacts`,
    );
    expect(body.artifacts).toEqual([
      expect.objectContaining({
        path: 'outputs/a.md',
        type: 'text',
        mediaType: 'text/markdown',
        stepId: 'note',
      }),
    ]);
    const { headers, text } = await server.get(`/runs/${id}/files/${body.artifacts[0]!.path}`);
    expect(headers.etag).toBe(`"${body.artifacts[0]!.digest}"`);
    expect(text).toContain('# A\n\nA *word*.\n');
  });

  it('hold what a step returned when that is content, which never enters the log', async () => {
    const { body } = await server.get<{
      steps: { id: string; output: { path?: string; inline?: unknown } }[];
    }>(`/runs/${runId}/steps`);
    const { output } = body.steps.find(({ id }) => id === 'list')!;
    expect(output).toEqual({
      path: expect.stringMatching(/^artifacts\/[0-9a-f]{64}\.json$/),
      digest: expect.any(String),
      bytes: expect.any(Number),
    });
    const { body: listed } = await server.get<{ path: string }[]>(`/runs/${runId}/files/${output.path!}`);
    expect(listed.map(({ path }) => path)).toContain('outputs/note.md');
  });

  it('are none for a run that made none', async () => {
    const { id } = await submitAndRest(server, planned([noop('a')]));
    expect((await server.get(`/runs/${id}/artifacts`)).body).toEqual({ artifacts: [] });
  });
});
