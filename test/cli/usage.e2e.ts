import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { put, skyagent } from '../support/server-cli.js';
import { makeHome, type TestHome } from '../support/server-home.js';

let home: TestHome;
beforeAll(async () => {
  home = await makeHome();
  await put(home, 'bad.json', '{"steps": [');
  await put(home, 'list.json', [1, 2]);
});
afterAll(() => home.remove());

const run = (line: string, env?: Record<string, string>) =>
  skyagent(home, line.split(' '), { ...(env && { env }) });

describe('a command line that cannot be understood', () => {
  const lines: [string, RegExp][] = [
    ['run', /^a mission needs --template, --objective or --plan$/m],
    ['run --template web_research --input tides', /^--input tides: expected k=v or k\[\]=v$/m],
    ['run --template web_research --inputs none.json', /^--inputs none\.json: cannot be read \(ENOENT\)$/m],
    ['run --template web_research --inputs bad.json', /^--inputs bad\.json: is not JSON: /m],
    ['run --template web_research --inputs list.json', /^--inputs list\.json: expected one JSON object$/m],
    ['run --plan bad.json', /^--plan bad\.json: is not JSON: /m],
    ['run --plan .', /^--plan \.: cannot be read \(EISDIR\)$/m],
    ['run --objectve x', /unknown option '--objectve'\n\(Did you mean --objective\?\)/],
    ['rnu', /unknown command 'rnu'/],
    ['run --plan bad.json extra', /too many arguments/],
    ['runs show', /missing required argument 'run'/],
    ['replay', /required option '--run <id>' not specified/],
    ['serve --port http', /^--port http: expected a number from 0 to 65535$/m],
    ['serve --port 70000', /^--port 70000: expected a number from 0 to 65535$/m],
  ];

  it.each(lines)('ends with 2 and says what was expected: skyagent %s', async (line, words) => {
    const { code, stdout, stderr } = await run(line);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(words);
  });

  it('starts no server for it', async () => {
    await expect(access(join(home.home, 'nats'))).rejects.toThrow('ENOENT');
  });

  it('shows the commands when there is none, and ends with 2', async () => {
    const { code, stdout, stderr } = await skyagent(home, []);
    expect([code, stdout]).toEqual([2, '']);
    for (const command of [
      'run',
      'serve',
      'runs',
      'events',
      'templates',
      'replay',
      'inspect',
      'doctor',
      'projections',
    ]) {
      expect(stderr).toContain(`\n  ${command} `);
    }
  });
});

describe('help', () => {
  it.each(['--help', 'run --help', 'help run', 'runs --help'])(
    'goes to stdout and ends with 0: skyagent %s',
    async (line) => {
      const { code, stdout, stderr } = await run(line);
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(/^Usage: skyagent /);
    },
  );

  it('says the version', async () => {
    expect(await run('--version')).toEqual({ code: 0, stdout: '0.1.0\n', stderr: '' });
  });
});

describe('settings that cannot be used', () => {
  const settings: [Record<string, string>, RegExp][] = [
    [{ SKYAGENT_PRT: '1' }, /SKYAGENT_PRT: no such setting; see the table in README\.md/],
    [{ SKYAGENT_PORT: 'http' }, /SKYAGENT_PORT: expected a whole number/],
    [{ SKYAGENT_ROLES: 'gateway,cook' }, /SKYAGENT_ROLES/],
    [{ NATS_URL: 'http://127.0.0.1:4222' }, /NATS_URL/],
    [{ SKYAGENT_URL: 'localhost' }, /SKYAGENT_URL/],
  ];
  it.each(settings)('end with 2 and name the setting: %j', async (env, words) => {
    const { code, stdout, stderr } = await run('templates', env);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^the configuration cannot be used:\n {2}- /);
    expect(stderr).toMatch(words);
  });

  it('are all named at once', async () => {
    const { stderr } = await run('templates', {
      SKYAGENT_PORT: 'x',
      SKYAGENT_MAX_RUNS: '0',
      SKYAGENT_COFFEE: '1',
    });
    expect(stderr.match(/^ {2}- /gm)).toHaveLength(3);
  });

  it('in a .env file are named by line, and their content is not shown', async () => {
    await put(home, '.env', 'SKYAGENT_PORT=0\n# a comment\nthis is my secret hunter2\n');
    const { code, stdout, stderr } = await run('templates');
    await put(home, '.env', '');
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/\.env line 3: expected NAME=value or a # comment/);
    expect(stderr).not.toContain('hunter2');
  });
});

describe('a server that is named and does not answer', () => {
  it.each(['runs ls', 'run --objective x', 'runs show run_1'])(
    'ends with 9, and no other is started: skyagent %s',
    async (line) => {
      const { code, stdout, stderr } = await run(line, { SKYAGENT_URL: 'http://127.0.0.1:9' });
      expect([code, stdout]).toEqual([9, '']);
      expect(stderr).toBe('no server answers at SKYAGENT_URL (http://127.0.0.1:9)\n');
      await expect(access(join(home.home, 'nats'))).rejects.toThrow('ENOENT');
    },
  );

  it('ends with 9 when NATS does not answer', async () => {
    const { code, stderr } = await run('runs ls', { NATS_URL: 'nats://127.0.0.1:9' });
    expect(code).toBe(9);
    expect(stderr).toContain('cannot reach NATS at nats://127.0.0.1:9');
  });
});

describe('templates', () => {
  it('are listed as JSON, with what each asks for', async () => {
    const { code, stdout, stderr } = await run('templates --json');
    expect([code, stderr]).toEqual([0, '']);
    const templates = JSON.parse(stdout) as { id: string }[];
    expect(templates.map(({ id }) => id)).toContain('web_research');
    expect(templates[0]).toEqual({
      id: expect.any(String),
      title: expect.any(String),
      description: expect.any(String),
      inputs: expect.objectContaining({ type: 'object' }),
      sample: expect.any(Object),
    });
  });

  it('are listed for people, with their inputs', async () => {
    const { stdout } = await run('templates');
    expect(stdout).toContain('web_research  Web research\n');
    expect(stdout).toContain('  inputs: topic (what to find out), urls (the pages to read)\n');
  });
});
