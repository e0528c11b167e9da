import { execFile } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { InMemoryTransport, McpServer } from '@modelcontextprotocol/server';
import { loadSkills } from '@modelcontextprotocol/server/ext/skills/node';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { packageRoot } from '../../src/setup/package-root.js';
import { skillFiles } from '../../src/setup/skills.js';
import { call, hangs, noop, write } from '../support/server-missions.js';
import { startServer, type TestServer } from '../support/server-test.js';

const templates = join(packageRoot, 'templates');
const SCRIPT = join(templates, 'openclaw', 'skyagentos', 'scripts', 'sky.mjs');
const KEY = 'test-key-of-the-skill';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ SKYAGENT_API_KEYS: KEY });
});
afterAll(() => server.stop());

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}
const sky = (args: readonly string[], env: Record<string, string> = {}): Promise<Ran> =>
  new Promise((resolve) => {
    const settings = { PATH: '', SKYAGENT_URL: server.url, SKYAGENT_API_KEY: KEY, ...env };
    execFile(process.execPath, [SCRIPT, ...args], { env: settings }, (error, out, errors) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, errors }),
    );
  });
interface Answer {
  readonly runId: string;
  readonly status: string;
  readonly needs: { readonly stepId: string; readonly argumentHash: string; readonly asked: object };
}
const answerOf = ({ out }: Ran): Answer => JSON.parse(out) as Answer;
const planned = (...steps: object[]): string => JSON.stringify({ steps });

describe('the skill', () => {
  it('is, in both forms, what its source makes of it', async () => {
    for (const [path, text] of skillFiles())
      expect({ path, text: await readFile(join(templates, path), 'utf8') }).toEqual({ path, text });
    expect((await stat(SCRIPT)).mode & 0o100).toBe(0o100);
  });

  it('tells OpenClaw its needs as an object, and the Agent Skills specification nothing it does not take', async () => {
    const head = async (path: string) =>
      Object.fromEntries(
        (await readFile(join(templates, path, 'skyagentos', 'SKILL.md'), 'utf8'))
          .split('---\n')[1]!
          .trim()
          .split('\n')
          .map((line) => {
            const [, name, value] = /^([a-z-]+): (.*)$/.exec(line)!;
            return [name!, JSON.parse(value!) as unknown];
          }),
      );
    const openclaw = await head('openclaw');
    expect(openclaw.metadata).toEqual({
      openclaw: { emoji: '🛰️', requires: { bins: ['node'] }, primaryEnv: 'SKYAGENT_API_KEY' },
    });
    const strict = await head('skills');
    expect(Object.keys(strict)).toEqual(['name', 'description', 'license', 'compatibility']);
    expect(strict.name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
    expect((strict.description as string).length).toBeLessThanOrEqual(1024);
    expect((strict.compatibility as string).length).toBeLessThanOrEqual(500);
  });

  it('is taken by the skills extension of MCP', async () => {
    const catalog = await loadSkills(join(templates, 'skills'));
    const mcp = new McpServer({ name: 'skills', version: '1' });
    catalog.attach(mcp);
    const [near, far] = InMemoryTransport.createLinkedPair();
    const client = new Client({ name: 'test', version: '1' });
    await Promise.all([mcp.connect(far), client.connect(near)]);
    const { contents } = await client.readResource({ uri: 'skill://skyagentos/SKILL.md' });
    await client.close();
    expect(contents[0]).toMatchObject({ text: expect.stringContaining('# SkyAgentOS') });
  });

  it('names only commands that its script has', async () => {
    const text = await readFile(join(templates, 'openclaw', 'skyagentos', 'SKILL.md'), 'utf8');
    const named = new Set(Array.from(text.matchAll(/sky\.mjs ([a-z]+)/g), ([, name]) => name!));
    const { errors, code } = await sky(['nothing']);
    const known = errors.trim().replace('expected one of: ', '').split(', ');
    expect(code).toBe(2);
    expect([...named].toSorted()).toEqual(known.toSorted());
  });
});

describe('its commands, against a server', () => {
  it('submit a mission once, follow it, answer its approval and bring back its report', async () => {
    const plan = planned(
      write('a', 'outputs/a.txt', 'hello'),
      call(
        'report',
        'report.document',
        { path: 'outputs/report.md', title: 'R', markdown: '# Done for {{ inputs.who }}' },
        { approval: true, needs: ['a'] },
      ),
    );
    const submit = ['submit', '--plan', plan, '--input', 'who=Ada', '--key', 'skill-1'];
    const first = await sky(submit);
    expect(first.code).toBe(0);
    const { runId } = answerOf(first);
    expect(answerOf(await sky(submit)).runId).toBe(runId);

    const asked = await sky(['wait', runId, '--seconds', '30']);
    expect(asked.code).toBe(6);
    const { needs } = answerOf(asked);
    expect(JSON.stringify(needs.asked)).toContain('# Done for Ada');
    const stale = await sky(['approve', runId, '--step', needs.stepId, '--hash', '0'.repeat(64)]);
    expect([stale.code, stale.errors]).toEqual([1, expect.stringContaining('legal now: ')]);
    expect((await sky(['approve', runId, '--step', needs.stepId, '--hash', needs.argumentHash])).code).toBe(
      0,
    );

    const ended = await sky(['wait', runId, '--seconds', '30']);
    expect([ended.code, answerOf(ended).status]).toEqual([0, 'succeeded']);
    expect(await sky(['report', runId])).toMatchObject({ code: 0, out: '# Done for Ada\n' });
  });

  it('send files, pause, resume and cancel', async () => {
    const file = join(server.home.folder, 'a note.txt');
    await writeFile(file, 'from a file');
    const submitted = await sky(['submit', '--plan', planned(hangs('a')), '--file', file]);
    const { runId } = answerOf(submitted);
    const stored = await server.get(`/runs/${runId}/files/inputs/a%20note.txt`, {
      authorization: `Bearer ${KEY}`,
    });
    expect(stored.text).toBe('from a file');
    expect((await sky(['pause', runId, '--reason', 'lunch'])).code).toBe(0);
    const paused = await sky(['wait', runId]);
    expect([paused.code, answerOf(paused).status]).toEqual([6, 'paused']);
    expect((await sky(['resume', runId])).code).toBe(0);
    expect((await sky(['cancel', runId])).code).toBe(0);
    expect((await sky(['wait', runId])).code).toBe(5);
  });

  it('reject a plan, which fails the run', async () => {
    const submitted = await sky(['submit', '--plan', planned(noop('a')), '--approval', 'plan']);
    const { runId } = answerOf(submitted);
    expect(answerOf(await sky(['wait', runId])).needs).toEqual({ kind: 'plan' });
    await sky(['reject', runId, '--reason', 'not now']);
    const failed = await sky(['wait', runId]);
    expect([failed.code, failed.out]).toEqual([1, expect.stringContaining('not now')]);
  });
});

describe('what goes wrong', () => {
  it('is told with an exit code of its own, and never with the key', async () => {
    const wrong = await sky(['submit', '--template', 'web_research']);
    expect([wrong.code, wrong.errors]).toEqual([2, expect.stringContaining('/inputs/topic')]);
    expect((await sky(['wait'])).code).toBe(2);
    expect((await sky(['wait', 'run_none'])).code).toBe(1);
    expect((await sky(['submit', '--nonsense'])).code).toBe(2);
    const nobody = await sky(['templates'], { SKYAGENT_URL: 'http://127.0.0.1:1' });
    expect([nobody.code, nobody.errors]).toEqual([9, expect.stringContaining('no server answers')]);
    const stranger = await sky(['templates'], { SKYAGENT_API_KEY: 'another-key' });
    expect([stranger.code, stranger.errors]).toEqual([1, expect.stringContaining('needs an API key')]);
    expect(stranger.errors + nobody.errors).not.toMatch(/another-key|test-key/);
  });
});
