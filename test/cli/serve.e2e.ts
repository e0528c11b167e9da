import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Envelope } from '#events/envelope.js';
import { jsonOf, put, skyagent, start, startServe, type Serving } from '../support/server-cli.js';
import { makeHome, type TestHome } from '../support/server-home.js';
import { startSkyvern } from '../support/fake-skyvern.js';
import { hangs, noop } from '../support/server-missions.js';
import type { RunBody } from '../support/server-test.js';

let home: TestHome;
let server: Serving;
beforeAll(async () => {
  home = await makeHome();
  await put(home, 'one.json', { steps: [noop('a')] });
  await put(home, 'hangs.json', { steps: [hangs('a')] });
  await put(home, 'asks.json', { steps: [noop('a', { approval: true })] });
  server = await startServe(home);
});
afterAll(async () => {
  await server.stop();
  await home.remove();
});

const cli = (line: string, env: Record<string, string> = {}) => skyagent(home, line.split(' '), { env });
const show = async (runId: string) => jsonOf<RunBody>(await cli(`runs show ${runId} --json`));
/** Submits a plan and comes back at once with the id of its run. */
const detached = async (plan: string, more = '') =>
  (await cli(`run --plan ${plan} --detach${more}`)).stdout.trim();
const rested = async (plan: string) => jsonOf<RunBody>(await cli(`run --plan ${plan} --json`));

describe('skyagent serve', () => {
  it('announces its address in the home, which the other commands find', async () => {
    const announced = JSON.parse(await readFile(join(home.home, 'server.json'), 'utf8')) as { url: string };
    expect(announced.url).toBe(server.url);
    const { stderr } = await cli('run --plan one.json');
    expect(stderr).toContain(`${server.url}/runs/`);
  });

  it('ends with 2 on a port that is taken, and says what to do', async () => {
    const { port } = new URL(server.url);
    const { code, stdout, stderr } = await cli(`serve --port ${port}`);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(
      `cannot listen on 127.0.0.1:${port}: the port is taken; stop the other server, or set SKYAGENT_PORT (0 takes a free port)`,
    );
    expect((await cli('runs ls')).code).toBe(0);
  });

  it('ends with 2 on an open address without keys', async () => {
    const { code, stderr } = await cli('serve', { SKYAGENT_HOST: '0.0.0.0', SKYAGENT_PORT: '0' });
    expect([code, stderr]).toEqual([
      2,
      'listening on 0.0.0.0 needs SKYAGENT_API_KEYS: others could reach this server\n',
    ]);
  });
});

describe('skyagent runs', () => {
  it('ls lists the newest first, as a table and as JSON', async () => {
    const first = await rested('one.json');
    const second = await rested('one.json');
    const { runs } = jsonOf<{ runs: RunBody[] }>(await cli('runs ls --json --limit 2'));
    expect(runs.map(({ id }) => id)).toEqual([second.id, first.id]);
    const { stdout } = await cli('runs ls --status succeeded --limit 1');
    expect(stdout.split('\n')[0]).toMatch(/^RUN +STATUS +STEPS +CREATED +TITLE$/);
    expect(stdout.split('\n')[1]).toMatch(
      new RegExp(`^${second.id} +succeeded +1/1 +\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d +step a$`),
    );
  });

  it('ls says so when there is nothing to list', async () => {
    expect(await cli('runs ls --template none')).toMatchObject({
      code: 0,
      stdout: 'no runs yet: skyagent run --help\n',
    });
  });

  it('show prints the run and its steps', async () => {
    const { id } = await rested('one.json');
    const { code, stdout } = await cli(`runs show ${id}`);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      new RegExp(
        `^${id} {2}succeeded {2}revision 4\nstep a\nSTEP +STATE +ATTEMPT +TITLE\na +succeeded +1 +step a\nlegal now: retry, fork\n$`,
      ),
    );
  });

  it('events prints the history, one JSON event a line with --json', async () => {
    const { id } = await rested('one.json');
    const { stdout } = await cli(`runs events ${id} --json`);
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Envelope);
    expect(events.map(({ rev, type }) => `${rev} ${type}`)).toEqual([
      '1 skyagent.run.created',
      '2 skyagent.run.started',
      '3 skyagent.step.succeeded',
      '4 skyagent.run.succeeded',
    ]);
    expect((await cli(`runs events ${id}`)).stdout).toMatch(
      /^ {3}1 {2}\d\d:\d\d:\d\d\.\d{3} {2}run\.created\n/,
    );
  });

  it('events --follow goes on until the run ends', async () => {
    const id = await detached('one.json', ' --approval plan');
    const following = start(home, ['runs', 'events', id, '--follow', '--json']);
    await following.says(/run\.started/);
    await cli(`runs approve ${id} --note go`);
    const { code, stdout } = await following.ended;
    expect(code).toBe(0);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as Envelope).type),
    ).toEqual([
      'skyagent.run.created',
      'skyagent.run.started',
      'skyagent.plan.approved',
      'skyagent.step.succeeded',
      'skyagent.run.succeeded',
    ]);
  });

  it('pause, resume and cancel say the state they lead to', async () => {
    const id = await detached('hangs.json');
    const following = start(home, ['runs', 'events', id, '--follow']);
    await following.says(/step\.retried/);
    expect(await cli(`runs pause ${id} --reason lunch`)).toMatchObject({
      code: 0,
      stdout: `${id}  pausing\n`,
    });
    await following.says(/run\.paused/);
    expect((await show(id)).status).toBe('paused');
    expect(jsonOf(await cli(`runs resume ${id} --json`))).toMatchObject({ runId: id, status: 'executing' });
    expect((await cli(`runs cancel ${id}`)).code).toBe(0);
    expect((await following.ended).code).toBe(0);
    expect((await show(id)).status).toBe('cancelled');
  });

  it('approve and reject answer for a step that waits', async () => {
    for (const [answer, status] of [
      ['approve', 'succeeded'],
      ['reject', 'failed'],
    ] as const) {
      const id = await detached('asks.json');
      const following = start(home, ['runs', 'events', id, '--follow']);
      await following.says(/approval-requested/);
      expect((await cli(`runs ${answer} ${id} --step a`)).code).toBe(0);
      await following.ended;
      expect((await show(id)).status).toBe(status);
    }
  });

  it('ends with 1 when a command is not legal, and says what is', async () => {
    const { id } = await rested('one.json');
    const { code, stdout, stderr } = await cli(`runs pause ${id}`);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('PauseRun is not legal while the run is succeeded');
  });

  it.each(['show', 'events', 'pause'])('ends with 1 when there is no such run: %s', async (name) => {
    const { code, stdout, stderr } = await cli(`runs ${name} run_NONE`);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('there is no run run_NONE\n  → GET /runs lists the runs there are\n');
  });

  it('ends with 2 when a filter cannot be read', async () => {
    expect(await cli('runs ls --limit 500')).toMatchObject({ code: 2, stdout: '' });
    expect((await cli('runs ls --status done')).stderr).toContain(
      'status: expected some of queued, planning',
    );
  });
});

describe('skyagent run, with a server', () => {
  it('ends with 5 when somebody cancels the run', async () => {
    const running = start(home, ['run', '--plan', 'hangs.json']);
    const [id] = await running.says(/run_\w{26}/);
    await running.says(/step\.retried/);
    await cli(`runs cancel ${id}`);
    const { code, stdout } = await running.ended;
    expect(code).toBe(5);
    expect(stdout).toMatch(/^cancelled {2}run_/);
  });

  it('leaves the run alone at SIGINT: the server goes on with it', async () => {
    const running = start(home, ['run', '--plan', 'hangs.json']);
    const [id] = await running.says(/run_\w{26}/);
    await running.says(/step\.retried/);
    running.child.kill('SIGINT');
    expect((await running.ended).code).toBe(130);
    expect((await show(id)).status).toBe('executing');
    await cli(`runs cancel ${id}`);
  });

  it('prints the id alone with --detach', async () => {
    const { code, stdout } = await cli('run --plan one.json --detach');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^run_\w{26}\n$/);
  });
});

describe('skyagent events tail', () => {
  it('prints the log from its start and stops after --limit', async () => {
    await rested('one.json');
    const { code, stdout } = await cli('events tail --from-start --limit 3 --json');
    expect(code).toBe(0);
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Envelope);
    expect(events).toHaveLength(3);
    expect(events.every(({ specversion }) => specversion === '1.0')).toBe(true);
  });

  it('prints what happens from now on', async () => {
    const tail = start(home, ['events', 'tail', '--limit', '4']);
    await tail.says(/^following nats:/m);
    const { id } = await rested('one.json');
    const { code, stdout } = await tail.ended;
    expect(code).toBe(0);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/ {2,}/).slice(1, 4).join(' ')),
    ).toEqual([
      `${id} 1 run.created`,
      `${id} 2 run.started`,
      `${id} 3 step.succeeded`,
      `${id} 4 run.succeeded`,
    ]);
  });

  it('refuses a limit that is no number', async () => {
    expect(await cli('events tail --limit 0')).toMatchObject({ code: 2, stdout: '' });
  });
});

describe('skyagent replay', () => {
  it('prints the timeline, checked against what the log recorded', async () => {
    const { id } = await rested('one.json');
    const { code, stdout } = await cli(`replay --run ${id}`);
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(
      lines.slice(1, -1).map((line) => line.replace(/\d\d:\d\d:\d\d\.\d{3}/, 'T').replace(/ +/g, ' ')),
    ).toEqual([
      '1 T run.created queued',
      '2 T run.started executing',
      '3 T step.succeeded a validating',
      '4 T run.succeeded succeeded',
    ]);
    expect(lines.at(-1)).toBe('4 events replayed with run@1: hash chain and every recorded state hold');
  });

  it('prints the timeline as JSON', async () => {
    const { id } = await rested('one.json');
    const { runId, sound, timeline } = jsonOf<{ runId: string; sound: boolean; timeline: object[] }>(
      await cli(`replay --run ${id} --json`),
    );
    expect([runId, sound, timeline.length]).toEqual([id, true, 4]);
  });

  it('prints the state at a revision', async () => {
    const { id } = await rested('one.json');
    const state = jsonOf<{ snapshot: { context: { steps: object[] } } }>(
      await cli(`replay --run ${id} --at 2`),
    );
    expect(state).toMatchObject({
      rev: 2,
      machine: 'run@1',
      status: 'executing',
      active: 'active.executing',
    });
    expect(state.snapshot.context.steps).toEqual([expect.objectContaining({ id: 'a', state: 'running' })]);
  });

  it.each(['0', '99', 'last'])('ends with 2 when there is no revision %s', async (at) => {
    const { id } = await rested('one.json');
    const { code, stdout, stderr } = await cli(`replay --run ${id} --at ${at}`);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(`--at ${at}: `);
  });
});

describe('skyagent inspect', () => {
  it('prints the address of its WebSocket and ends with 130', async () => {
    const { id } = await rested('one.json');
    const inspect = start(home, ['inspect', '--run', id]);
    await inspect.says(/^ws:\/\/127\.0\.0\.1:\d+$/m);
    await inspect.says(/Ctrl-C ends this/);
    inspect.child.kill('SIGINT');
    const { code, stdout } = await inspect.ended;
    expect(code).toBe(130);
    expect(stdout).toMatch(/^ws:\/\/127\.0\.0\.1:\d+\n$/);
  });

  it('ends with 1 when there is no such run', async () => {
    const { code, stderr } = await cli('inspect --run run_NONE');
    expect([code, stderr]).toEqual([1, 'there is no run run_NONE\n']);
  });
});

describe('skyagent doctor', () => {
  it('checks each thing a mission needs and finds the server', async () => {
    const ended = await cli('doctor --json');
    const { ok, findings } = jsonOf<{
      ok: boolean;
      findings: { check: string; ok: boolean; detail: string }[];
    }>(ended);
    expect(findings.map(({ check }) => check)).toEqual([
      'node',
      'settings',
      'home',
      'nats-server',
      'chromium',
      'desktop',
      'skyvern',
      'templates',
      'server',
    ]);
    expect(findings.filter((finding) => !finding.ok)).toEqual([]);
    expect([ended.code, ok]).toEqual([0, true]);
    expect(findings.at(-1)!.detail).toBe(server.url);
    const chromium = findings.find(({ check }) => check === 'chromium')!.detail;
    // Root has no sandbox to run it in, and is told so.
    expect(chromium.includes('--no-sandbox')).toBe(process.getuid?.() === 0);
  });

  it('asks a Skyvern that is configured, with its key', async () => {
    const skyvern = await startSkyvern({ key: 'right' });
    try {
      const settings = { SKYVERN_BASE_URL: skyvern.url, SKYVERN_API_KEY: 'right' };
      expect((await cli('doctor', settings)).stdout).toMatch(
        new RegExp(`^ok {4}skyvern +${skyvern.url}$`, 'm'),
      );
      const wrong = await cli('doctor', { ...settings, SKYVERN_API_KEY: 'wrong' });
      expect([wrong.code, wrong.stdout]).toEqual([
        1,
        expect.stringMatching(/^FAIL {2}skyvern .*it answered 403/m),
      ]);
    } finally {
      await skyvern.close();
    }
  });

  it('ends with 1 and names what is missing', async () => {
    const { code, stdout } = await cli('doctor', { SKYAGENT_CHROMIUM: '/nowhere/chrome' });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^FAIL {2}chromium +no Chromium could be started: \/nowhere\/chrome: /m);
  });
});

describe('skyagent projections rebuild', () => {
  it('ends with 2 while a server uses the read models', async () => {
    const { code, stderr } = await cli('projections rebuild');
    expect(code).toBe(2);
    expect(stderr).toContain('a server uses these read models: stop it first');
  });

  it('gives the same rows again', async () => {
    const own = await makeHome();
    await put(own, 'one.json', { steps: [noop('a')] });
    await put(own, 'asks.json', { steps: [noop('a', { approval: true })] });
    const once = await startServe(own);
    for (const plan of ['one.json', 'asks.json', 'one.json']) await skyagent(own, ['run', '--plan', plan]);
    const before = await skyagent(own, ['runs', 'ls', '--json']);
    await once.stop();
    const rebuilt = jsonOf<{ events: number }>(await skyagent(own, ['projections', 'rebuild', '--json']));
    expect(rebuilt.events).toBe(11);
    const after = await skyagent(own, ['runs', 'ls', '--json']);
    expect(jsonOf(after)).toEqual(jsonOf(before));
    await own.remove();
  });
});

describe('a server that is stopped', () => {
  it('ends with 0 at SIGTERM and takes its address back', async () => {
    const own = await makeHome();
    const once = await startServe(own);
    const { code, stderr } = await once.stop();
    expect(code).toBe(0);
    expect(stderr).toContain('SIGTERM: parking runs\n');
    await expect(access(join(own.home, 'server.json'))).rejects.toThrow('ENOENT');
    await own.remove();
  });
});
