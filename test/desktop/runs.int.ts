import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { eventTypeOf, type Envelope } from '#events/envelope.js';
import type { DesktopInfo } from '#events/desktop.js';
import type { StoredTrace } from '../../src/log/traces.js';
import { describeDesktop, personAt, startDaemon, type TestDaemon } from '../support/desktop.js';
import { startServer, submit, type RunBody, type TestServer } from '../support/server-test.js';
import { until } from '../support/wait.js';

const SECRET = 'canary-7f3a9b';
const TEXT = `${SECRET} says that what is typed is told by its length alone, é 漢 🎉\n`.repeat(12);

let server: TestServer;
let daemon: TestDaemon;
let folder: string;
let natsToken: string;

const step = (
  id: string,
  actions: object[],
  more: { with?: object; [key: string]: unknown } = {},
): object => ({
  id,
  title: id,
  do: 'desktop.script',
  ...more,
  with: { actions, ...more.with },
});
const mission = (steps: object[], metadata: object = {}) => ({ plan: { steps }, metadata });
const rests = async (runId: string) =>
  (await server.get<RunBody>(`/runs/${runId}`, { prefer: 'wait=60' })).body;
const eventsOf = async (runId: string) =>
  (await server.get<{ events: Envelope[] }>(`/runs/${runId}/events?limit=200`)).body.events;
const typesOf = async (runId: string) => (await eventsOf(runId)).map(eventTypeOf);
const tracesOf = async (runId: string) =>
  (await server.get<{ traces: StoredTrace[] }>(`/runs/${runId}/traces?limit=200`)).body.traces;
const read = (name: string) => readFile(join(folder, name), 'utf8').catch(() => '');
const is = (runId: string, status: string) =>
  until(`${runId} to be ${status}`, async () => {
    const { body } = await server.get<RunBody>(`/runs/${runId}`);
    return body.status === status && body;
  });
/** Opens a terminal that writes what it is typed into a file. */
const listen = (file: string): object[] => [
  { launch: { app: 'terminal', args: [join(folder, file)] } },
  { wait: { window: { app: 'xterm' } } },
  { wait: { ms: 600 } },
  { focusWindow: { window: { app: 'xterm' } } },
];
const closeAll = { closeWindow: { window: { app: 'xterm' } } };
const controlState = async () =>
  ((await daemon.ask('/v1/info')).body as unknown as DesktopInfo).control.state;

describeDesktop('runs on a desktop', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'skyagent-desktop-runs-'));
    await writeFile(join(folder, 'listen.sh'), 'stty -ixon -icanon -echo; exec cat > "$1"\n');
    server = await startServer({ SKYAGENT_DESKTOP: 'off' });
    const state = await readFile(join(server.home.home, 'nats', 'server.json'), 'utf8');
    natsToken = (JSON.parse(state) as { token: string }).token;
    daemon = await dialIn();
  });
  afterAll(async () => {
    await server.stop();
    await daemon.stop();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    await daemon.control({ do: 'handback' });
  });
  afterEach(async () => {
    const windows = (await daemon.act({ windows: {} })).body as unknown as { result: { pid?: number }[] };
    for (const { pid } of windows.result) if (pid !== undefined) process.kill(pid, 'SIGKILL');
    const lease = { run: `cleaning-${Math.random()}`.replace('.', ''), epoch: 0, control: 0 };
    await daemon.control({ do: 'handback' });
    await daemon.control({ do: 'acquire', lease });
    await daemon.act({ closeWindow: { window: { app: 'xcalc' } } }, { lease });
    await daemon.control({ do: 'release', lease });
  });

  /** A daemon that dials out to the server's NATS: nobody asks it over HTTP. */
  const dialIn = (name = 'front-desk', args: string[] = []) =>
    startDaemon(
      [
        '--name',
        name,
        '--label',
        `role=${name}`,
        '--folder',
        folder,
        '--app',
        'xcalc',
        '--app',
        `terminal=xterm -u8 -e sh ${join(folder, 'listen.sh')}`,
        ...args,
      ],
      { NATS_URL: server.engine.natsUrl, NATS_TOKEN: natsToken },
    );
  it('do what a plan says, tell of each action, and leave pictures as evidence', async () => {
    const { runId } = await submit(
      server,
      mission(
        [
          step('a', [
            ...listen('a.txt'),
            { type: { text: TEXT } },
            { wait: { ms: 300 } },
            { windows: { name: 'seen' } },
          ]),
        ],
        {
          screenshots: 'changes',
        },
      ),
    );
    expect(await rests(runId)).toMatchObject({ status: 'succeeded' });
    expect(await read('a.txt')).toBe(TEXT);
    const traces = await until('all traces', async () => {
      const found = await tracesOf(runId);
      return found.length >= 7 && found;
    });
    expect(traces.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
      'launch done',
      'wait done',
      'wait done',
      'focusWindow done',
      'type done',
      'wait done',
      'windows done',
    ]);
    expect(traces[4]).toMatchObject({
      args: { text: { length: TEXT.length } },
      screenshot: expect.stringMatching(/^artifacts\/.*\.png$/),
      screenshotBefore: expect.stringMatching(/^artifacts\/.*\.png$/),
    });
    const [, , done] = (await eventsOf(runId)).slice(-4);
    expect(JSON.stringify(done)).toContain('artifacts/');
    expect(await controlState()).toBe('free');
  });

  it('tell nothing of what was typed, nor of what the screen shows', async () => {
    const actions = [
      ...listen('b.txt'),
      { type: { text: TEXT } },
      { paste: { text: SECRET, keys: ['shift', 'insert'] } },
    ];
    const { runId } = await submit(
      server,
      mission([
        step('a', actions),
        step('b', [{ readClipboard: { name: 'clip' } }, { key: { key: 'nope' } }], { needs: ['a'] }),
      ]),
    );
    // What the plan itself says stands in the mission, and there alone.
    expect(await rests(runId)).toMatchObject({ status: 'failed', failure: { code: 'unknown-key' } });
    const [created, ...later] = await eventsOf(runId);
    expect(JSON.stringify(created)).toContain(SECRET);
    expect(JSON.stringify(later)).not.toContain(SECRET);
    expect(JSON.stringify(await tracesOf(runId))).not.toContain(SECRET);
    expect(server.lines.join('\n')).not.toContain(SECRET);
    expect(daemon.said()).not.toContain(SECRET);
  });

  it('that are paused in the middle of a text stop at once, and go on with the next letter', async () => {
    const { runId } = await submit(
      server,
      mission([step('a', [...listen('c.txt'), { type: { text: TEXT, paceMs: 8 } }, { wait: { ms: 300 } }])]),
    );
    await until('some of it to be typed', async () => (await read('c.txt')).length > 60);
    const from = performance.now();
    await server.post(`/runs/${runId}/pause`, { reason: 'lunch' });
    await is(runId, 'paused');
    const events = await eventsOf(runId);
    const at = (type: string) => Date.parse(events.find((event) => eventTypeOf(event) === type)!.time);
    const asked = at('run.pause-requested');
    process.stdout.write(
      `suspended ${at('step.suspended') - asked} ms after the pause was asked for, paused ${at('run.paused') - asked} ms, seen ${Math.round(performance.now() - from)} ms\n`,
    );
    await sleep(200);
    const typed = await read('c.txt');
    await sleep(700);
    expect(await read('c.txt')).toBe(typed);
    expect(typed.length).toBeLessThan(TEXT.length - 50);
    expect(TEXT.startsWith(typed)).toBe(true);
    expect(await controlState()).toBe('run');
    await server.post(`/runs/${runId}/resume`, {});
    expect(await rests(runId)).toMatchObject({ status: 'succeeded' });
    expect(await read('c.txt')).toBe(TEXT);
    const types = await typesOf(runId);
    expect(types.filter((type) => type.startsWith('step.'))).toEqual([
      'step.started',
      'step.suspended',
      'step.started',
      'step.succeeded',
    ]);
  });

  it('do not go on with what a person held down, who had the controls from afar', async () => {
    const { runId } = await submit(
      server,
      mission([step('a', [...listen('p.txt'), { type: { text: TEXT, paceMs: 8 } }, { wait: { ms: 300 } }])]),
    );
    await until('some of it to be typed', async () => (await read('p.txt')).length > 30);
    const { body } = await server.post<{ control: { lease: string } }>(`/runs/${runId}/takeover`, {});
    const { lease } = body.control;
    const hold = { lease, do: 'desktop.script', with: { actions: [{ hold: { keys: ['ctrl'] } }] } };
    const held = await server.post<{ action: { with: object } }>(`/runs/${runId}/takeover/actions`, hold);
    expect(held.body.action).toMatchObject({ outcome: 'succeeded', with: hold.with });
    await server.post(`/runs/${runId}/handback`, { lease });
    await is(runId, 'succeeded');
    expect(await read('p.txt')).toBe(TEXT);
  });

  it('that are cancelled let go of the desktop, and type no more', async () => {
    const { runId } = await submit(
      server,
      mission([
        step('a', [...listen('d.txt'), { hold: { keys: ['shift'] } }, { type: { text: TEXT, paceMs: 20 } }]),
      ]),
    );
    await until('some of it to be typed', async () => (await read('d.txt')).length > 10);
    await server.post(`/runs/${runId}/cancel`, {});
    await is(runId, 'cancelled');
    await until('the desktop to be free', async () => (await controlState()) === 'free');
    const typed = await read('d.txt');
    await sleep(500);
    expect(await read('d.txt')).toBe(typed);
  });

  it('pause when a person takes the mouse, whose controls they are then, and go on when they are handed back', async () => {
    const person = await personAt(daemon);
    await person.state();
    try {
      const { runId } = await submit(
        server,
        mission([
          step('a', [...listen('e.txt'), { type: { text: TEXT, paceMs: 8 } }, { wait: { ms: 300 } }]),
        ]),
      );
      await until('some of it to be typed', async () => (await read('e.txt')).length > 40);
      await person.move({ x: 900, y: 700 });
      const body = await is(runId, 'paused');
      const typed = await read('e.txt');
      const taken = await until('the controls to be taken', async () =>
        (await eventsOf(runId)).find((event) => eventTypeOf(event) === 'control.taken'),
      );
      expect(taken).toMatchObject({ actor: 'operator:local-user', data: { holder: 'local user' } });
      await sleep(600);
      expect(await read('e.txt')).toBe(typed);
      expect(body.failure).toBeNull();
      expect((await server.get('/desktops')).body).toMatchObject({
        desktops: [{ name: 'front-desk', control: { state: 'person', by: 'mouse' } }],
      });
      expect((await server.post('/desktops/front-desk/handback', {})).body).toMatchObject({
        control: { state: 'free' },
      });
      await is(runId, 'succeeded');
      expect(await read('e.txt')).toBe(TEXT);
      expect(await typesOf(runId)).toEqual(
        expect.arrayContaining([
          'run.pause-requested',
          'step.suspended',
          'run.paused',
          'control.taken',
          'control.released',
        ]),
      );
    } finally {
      await person.close();
    }
  });

  it('are stopped by the kill switch from afar too', async () => {
    const { runId } = await submit(
      server,
      mission([step('a', [...listen('f.txt'), { type: { text: TEXT, paceMs: 20 } }])]),
    );
    await until('some of it to be typed', async () => (await read('f.txt')).length > 10);
    expect((await server.post('/desktops/front-desk/stop', {})).body).toMatchObject({
      control: { state: 'stopped' },
    });
    await is(runId, 'paused');
    const typed = await read('f.txt');
    await sleep(500);
    expect(await read('f.txt')).toBe(typed);
    await server.post(`/runs/${runId}/cancel`, {});
    await is(runId, 'cancelled');
  });

  it('have a desktop one after the other', async () => {
    const first = await submit(
      server,
      mission([
        step('a', [
          ...listen('g.txt'),
          { type: { text: 'first', paceMs: 120 } },
          { wait: { ms: 300 } },
          closeAll,
        ]),
      ]),
    );
    await until('it to have the desktop', async () => (await controlState()) === 'run');
    const second = await submit(
      server,
      mission([
        step('a', [{ wait: { window: { app: 'xterm' }, gone: true } }, { launch: { app: 'xcalc' } }]),
      ]),
    );
    expect(await rests(second.runId)).toMatchObject({ status: 'succeeded' });
    expect(await rests(first.runId)).toMatchObject({ status: 'succeeded' });
    expect(await read('g.txt')).toBe('first');
    expect((await tracesOf(second.runId))[0]).toMatchObject({
      action: 'wait-for-desktop',
      outcome: 'waiting',
    });
    expect(server.lines.join('\n')).toContain('another run has the desktop');
  });

  it('wait for a desktop that is off, longer than a step may take, and do not fail', async () => {
    const { runId } = await submit(
      server,
      mission([step('a', [{ displays: { name: 'seen' } }], { timeoutMs: 1500, with: { desktop: 'attic' } })]),
    );
    await sleep(2_500);
    expect((await server.get<RunBody>(`/runs/${runId}`)).body.status).toBe('executing');
    const attic = await dialIn('attic');
    try {
      expect(await rests(runId)).toMatchObject({ status: 'succeeded' });
    } finally {
      await attic.stop();
    }
  });

  it('may be paused and cancelled while they wait for one', async () => {
    const { runId } = await submit(
      server,
      mission([step('a', [{ key: { key: 'a' } }], { with: { desktop: 'nowhere=to be found' } })]),
    );
    await until('it to wait', async () => (await tracesOf(runId)).length > 0);
    await server.post(`/runs/${runId}/pause`, {});
    await is(runId, 'paused');
    await server.post(`/runs/${runId}/cancel`, {});
    expect((await is(runId, 'cancelled')).failure).toBeNull();
  });

  it('get the desktop that has the label they ask for', async () => {
    const other = await dialIn('lab');
    try {
      const { runId } = await submit(
        server,
        mission([step('a', [{ displays: { name: 'seen' } }], { with: { desktop: 'role=lab' } })]),
      );
      expect(await rests(runId)).toMatchObject({ status: 'succeeded' });
      const { body } = await server.get<{ steps: { output: { path: string } }[] }>(`/runs/${runId}/steps`);
      const output = await server.get(`/runs/${runId}/files/${body.steps[0]!.output.path}`);
      expect(output.body).toMatchObject({ desktop: 'lab', seen: { screen: { width: 1280, height: 800 } } });
    } finally {
      await other.stop();
    }
  });

  it('are in doubt when the desktop dies in the middle of a change', async () => {
    const attic = await dialIn('attic');
    const { runId } = await submit(
      server,
      mission([
        step('a', [...listen('h.txt'), { type: { text: TEXT, paceMs: 20 } }], {
          with: {
            desktop: 'attic',
            lookUp: {
              actions: [{ files: { name: 'files', path: folder } }],
              found: '$count(output.files.files[path="h.txt"]) > 0',
            },
          },
        }),
      ]),
    );
    await until('some of it to be typed', async () => (await read('h.txt')).length > 10);
    await attic.stop('SIGKILL');
    await until('it to be in doubt', async () => (await typesOf(runId)).includes('step.in-doubt'));
    const back = await dialIn('attic');
    try {
      expect(await rests(runId)).toMatchObject({ status: 'succeeded' });
      expect(await typesOf(runId)).toContain('step.reconciled');
    } finally {
      await back.stop();
    }
  });

  it.each([
    ['a place outside', { click: { at: { x: 5000, y: 5 } } }, 'outside-screen'],
    ['a program that is not allowed', { launch: { app: 'rm' } }, 'app-not-allowed'],
    ['a window that is not there', { focusWindow: { window: { title: 'nobody' } } }, 'no-such-window'],
    ['a picture that is not there', { wait: { image: { path: 'inputs/none.png' } } }, 'file-not-found'],
    [
      'what is not to be seen',
      { wait: { pixel: { x: 5, y: 5, color: '#ff00ff' }, timeoutMs: 100 } },
      'not-seen',
    ],
  ])('fail for %s, with a picture', async (_what, action, code) => {
    const { runId } = await submit(server, mission([step('a', [action])]));
    expect(await rests(runId)).toMatchObject({ status: 'failed', failure: { code } });
    const [failed] = (await eventsOf(runId)).filter((event) => eventTypeOf(event) === 'step.failed');
    const { artifacts = [] } = failed!.data as { artifacts?: object[] };
    if (code !== 'file-not-found') expect(artifacts).toMatchObject([{ type: 'screenshot' }]);
  });

  it('are simulated in a dry run', async () => {
    const { runId } = await submit(server, {
      ...mission([step('a', [{ launch: { app: 'xcalc' } }])]),
      dryRun: true,
    });
    expect(await rests(runId)).toMatchObject({ status: 'succeeded', dryRun: true });
    expect((await daemon.act({ windows: {} })).body).toMatchObject({ result: [] });
  });

  it('are refused by what is no action, before anything is written', async () => {
    const before = await server.logged();
    const { status, body } = await server.post('/missions', mission([step('a', [{ run: { code: '1' } }])]));
    expect(status).toBe(422);
    expect(JSON.stringify(body)).toContain('launch');
    expect(await server.logged()).toBe(before);
  });

  it('leave no file in the way', async () => {
    expect((await readdir(folder)).every((name) => /\.(txt|sh)$/.test(name))).toBe(true);
  });
});
