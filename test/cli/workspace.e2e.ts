import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { packageRoot } from '../../src/setup/package-root.js';
import { jsonOf, put, skyagent, start, type Program } from '../support/server-cli.js';
import { makeHome, type TestHome } from '../support/server-home.js';
import { call, hangs } from '../support/server-missions.js';
import type { RunBody } from '../support/server-test.js';

const UNRULY = join(packageRoot, 'test', 'fixtures', 'mcp', 'unruly-server.mjs');

let home: TestHome;
let server: Program;
beforeAll(async () => {
  home = await makeHome();
  await put(home, 'note.txt', 'hello');
  await put(home, 'reads.json', { steps: [call('read', 'fs.read', { path: 'inputs/note.txt' })] });
  await put(home, 'asks.json', {
    steps: [
      {
        id: 'a',
        title: 'a',
        do: 'workspace.call',
        with: { server: 'unruly', tool: 'echo', args: { text: 'hi' } },
      },
    ],
  });
  await put(home, 'hangs.json', { steps: [hangs('a')] });
  await put(home, 'mcp.json', { mcpServers: { unruly: { command: process.execPath, args: [UNRULY] } } });
  server = start(home, ['serve', '--port', '0'], { env: ENV });
  await server.says(/^ready on /m);
});
afterAll(async () => {
  server.child.kill('SIGTERM');
  await server.ended;
  await home.remove();
});

const ENV = { SKYAGENT_MCP_SERVERS: 'mcp.json' };
const run = (...args: string[]) => skyagent(home, args, { env: ENV });

describe('skyagent run --file', () => {
  it('gives the run a file', async () => {
    const ended = await run('run', '--plan', 'reads.json', '--file', 'note.txt', '--json');
    expect(jsonOf<RunBody>(ended)).toMatchObject({ status: 'succeeded' });
  });

  it('says so when there is none', async () => {
    const { code, stderr } = await run('run', '--plan', 'reads.json', '--file', 'none.txt');
    expect([code, stderr]).toEqual([2, expect.stringContaining('--file none.txt: ')]);
  });
});

describe('skyagent mcp', () => {
  it('shows the tools of a server, and a mission may call those that were approved', async () => {
    const before = await run('mcp', 'tools', 'unruly');
    expect(before.stdout).toMatch(/^unknown {3}echo {2}Does what its name says\.$/m);
    const refused = await run('run', '--plan', 'asks.json', '--json');
    expect(jsonOf<RunBody>(refused)).toMatchObject({
      status: 'failed',
      failure: { code: 'tool-not-approved' },
    });
    expect((await run('mcp', 'approve', 'unruly', 'echo')).stdout).toBe('approved of unruly: echo\n');
    expect((await run('mcp', 'tools', 'unruly')).stdout).toMatch(/^approved {2}echo/m);
    expect(jsonOf<RunBody>(await run('run', '--plan', 'asks.json', '--json'))).toMatchObject({
      status: 'succeeded',
    });
  });

  it('says which servers and tools there are', async () => {
    const nobody = await run('mcp', 'tools', 'shop');
    expect([nobody.code, nobody.stderr]).toEqual([2, expect.stringContaining('there are: unruly')]);
    const nothing = await run('mcp', 'approve', 'unruly', 'shout');
    expect([nothing.code, nothing.stderr]).toEqual([2, expect.stringContaining('unruly has no tool shout')]);
  });
});

describe('skyagent runs takeover', () => {
  it('gives the controls, keeps them, acts, and gives them back', async () => {
    const { stdout: runId } = await run('run', '--plan', 'hangs.json', '--detach');
    const id = runId.trim();
    const taken = jsonOf<{ control: { lease: string } }>(
      await run('runs', 'takeover', id, '--ttl', '30', '--json'),
    );
    const { lease } = taken.control;
    const second = await run('runs', 'takeover', id);
    expect([second.code, second.stderr]).toEqual([1, expect.stringContaining('are held by operator:local')]);
    expect((await run('runs', 'keep', id, '--lease', lease)).code).toBe(0);
    const args = JSON.stringify({ tool: 'fs.write', args: { path: 'by-hand.txt', text: 'typed' } });
    const acted = await run('runs', 'act', id, '--lease', lease, '--do', 'workspace.call', '--with', args);
    expect(acted.stdout).toContain('"outcome": "succeeded"');
    expect(acted.stdout).not.toContain('typed');
    expect(
      (await run('runs', 'act', id, '--lease', lease, '--do', 'workspace.call', '--with', '{')).code,
    ).toBe(2);
    expect((await run('runs', 'handback', id, '--lease', lease, '--note', 'done')).code).toBe(0);
    expect((await run('runs', 'cancel', id)).code).toBe(0);
  });
});

describe('skyagent files prune', () => {
  it('removes the files of runs that ended, and of no other; with --dry-run it only tells', async () => {
    const ended = jsonOf<RunBody>(await run('run', '--plan', 'reads.json', '--file', 'note.txt', '--json'));
    const { stdout } = await run('run', '--plan', 'hangs.json', '--file', 'note.txt', '--detach');
    const open = stdout.trim();
    const folder = (id: string) => join(home.folder, 'agentfs', 'missions', id);
    const told = await run('files', 'prune', '--older-than', '0h', '--dry-run', '--json');
    expect(jsonOf<{ removed: { runId: string }[] }>(told).removed.map(({ runId }) => runId)).toContain(
      ended.id,
    );
    await access(folder(ended.id));
    expect((await run('files', 'prune', '--older-than', '0h')).stdout).toMatch(
      /^removed the files of \d+ runs/m,
    );
    await expect(access(folder(ended.id))).rejects.toThrow('ENOENT');
    expect(await readdir(folder(open))).toContain('inputs');
    expect((await run('files', 'prune', '--older-than', '1y')).code).toBe(2);
    await run('runs', 'cancel', open);
  });
});
