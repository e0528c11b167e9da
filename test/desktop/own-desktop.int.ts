import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';
import { eventTypeOf, type Envelope } from '#events/envelope.js';
import { stepSchema } from '#events/plan.js';
import type { Json } from '#events/shapes.js';
import { runFiles } from '../../src/agentfs/agentfs.js';
import { StepFailedError, SuspendedError } from '../../src/failures/failures.js';
import type { StepTask } from '../../src/runtimes/driver.js';
import type { Decision } from '../../src/runtimes/agent/agent-policy.js';
import { createDesktopDriver } from '../../src/runtimes/desktop/desktop.driver.js';
import { createFleet } from '../../src/runtimes/desktop/fleet.js';
import type { DesktopLink } from '../../src/runtimes/desktop/link.js';
import type { DesktopPolicy } from '../../src/runtimes/desktop/observation.js';
import { createOwnDesktop } from '../../src/runtimes/desktop/own-desktop.js';
import { UNTROUBLED } from '../support/budget.js';
import { describeDesktop } from '../support/desktop.js';
import { startServer, submit, type RunBody, type TestServer } from '../support/server-test.js';
import { until } from '../support/wait.js';

let server: TestServer;
let folder: string;
const display = process.env.DISPLAY;

const rests = async (runId: string) =>
  (await server.get<RunBody>(`/runs/${runId}`, { prefer: 'wait=60' })).body;
const eventsOf = async (runId: string) =>
  (await server.get<{ events: Envelope[] }>(`/runs/${runId}/events?limit=200`)).body.events;
const script = (...actions: object[]) => ({
  plan: { steps: [{ id: 'a', title: 'a', do: 'desktop.script', with: { actions } }] },
});

/** One desktop, and nobody who has dialled in. */
const fleetOf = (link: DesktopLink) =>
  createFleet({
    desktops: {
      find: () => Promise.resolve([]),
      ask: () => Promise.reject(new Error('nobody')),
      onEvent: () => () => undefined,
    },
    configured: link,
    own: undefined,
  });

describeDesktop('the desktop of a server’s own', () => {
  beforeAll(async () => {
    // Also where somebody runs the tests at a screen: theirs is not to be used.
    delete process.env.DISPLAY;
    folder = await mkdtemp(join(tmpdir(), 'skyagent-own-'));
    await writeFile(join(folder, 'listen.sh'), 'stty -ixon -icanon -echo; exec cat > "$1"\n');
    server = await startServer({
      SKYAGENT_DESKTOP_APPS: `xcalc,listen=xterm -u8 -e sh ${join(folder, 'listen.sh')}`,
    });
  });
  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
    if (display !== undefined) process.env.DISPLAY = display;
  });

  it('is started by the first step that needs one, and shown in the list', async () => {
    expect((await server.get('/desktops')).body).toEqual({ desktops: [] });
    const { runId } = await submit(
      server,
      script({ launch: { app: 'xcalc' } }, { wait: { window: { app: 'xcalc' } } }),
    );
    expect(await rests(runId)).toMatchObject({ status: 'succeeded' });
    expect((await server.get('/desktops')).body).toMatchObject({
      desktops: [{ name: 'local', screen: { width: 1280, height: 800 }, control: { state: 'free' } }],
    });
    const unknown = await server.post('/desktops/nobody/handback', {});
    expect([unknown.status, unknown.body['code']]).toEqual([404, 'no-such-desktop']);
  });

  it.each([
    ['a program that nobody allowed', { launch: { app: 'mousepad' } }, 'app-not-allowed'],
    ['a file with whatever opens it', { openFile: { path: 'inputs/a.txt' } }, 'app-not-allowed'],
    ['a folder outside', { files: { path: '/etc' } }, 'folder-not-allowed'],
    ['a way out of its own folder', { files: { path: '../..' } }, 'folder-not-allowed'],
    ['a file outside', { openFile: { path: '/etc/passwd', app: 'xcalc' } }, 'folder-not-allowed'],
  ])('refuses a mission %s', async (_what, action, code) => {
    const { runId } = await submit(server, script(action));
    expect(await rests(runId)).toMatchObject({ status: 'failed', failure: { code } });
  });

  it('lets a mission start what it is allowed to, and look where it is allowed to', async () => {
    const plan = script(
      { launch: { app: 'mousepad' } },
      { wait: { window: { app: 'mousepad' } } },
      { files: { path: folder } },
    );
    const { runId } = await submit(server, {
      ...plan,
      metadata: { allowApps: ['mousepad'], allowFolders: [folder] },
    });
    expect(await rests(runId)).toMatchObject({ status: 'succeeded' });
  });

  it('lets no mission look into the folder of another, though it lies in one that is allowed', async () => {
    const first = await submit(server, script({ screenshot: {} }));
    await rests(first.runId);
    const path = join(server.engine.config.agentFsRoot, 'missions', first.runId);
    const metadata = { allowFolders: [server.engine.config.agentFsRoot] };
    const { runId } = await submit(server, { ...script({ files: { path } }), metadata });
    expect(await rests(runId)).toMatchObject({ status: 'failed', failure: { code: 'folder-not-allowed' } });
  });

  it('is seen in the live view, and used by a person who has the controls', async () => {
    const plan = script(
      { launch: { app: 'listen', args: [join(folder, 'live.txt')] } },
      { wait: { window: { app: 'xterm' } } },
      { focusWindow: { window: { app: 'xterm' } } },
      { wait: { window: { title: 'never' }, timeoutMs: 60_000 } },
    );
    const { runId } = await submit(server, { ...plan, metadata: { allowFolders: [folder] } });
    await until('the terminal', async () => (await readdir(folder)).includes('live.txt'));
    const { body } = await server.post<{ control: { lease: string } }>(`/runs/${runId}/takeover`, {});
    const { lease } = body.control;
    const ticket = await server.post<{ links: { socket: string } }>(`/runs/${runId}/live`, { lease });
    const socket = new WebSocket(new URL(ticket.body.links.socket, server.url.replace('http', 'ws')));
    const pictures: Buffer[] = [];
    const told: Record<string, unknown>[] = [];
    socket.on('message', (data: Buffer, binary) =>
      binary ? pictures.push(data) : told.push(JSON.parse(data.toString()) as Record<string, unknown>),
    );
    await until('a picture', () => pictures.length > 0);
    expect(pictures[0]!.subarray(0, 3).toString('hex')).toBe('ffd8ff');
    expect(told).toContainEqual({ type: 'screen', width: 1280, height: 800 });
    const act = async (input: object) => {
      const before = told.length;
      socket.send(JSON.stringify(input));
      return until('an answer', () => told.slice(before).find(({ type }) => type === 'acted'));
    };
    expect(await act({ input: 'type', text: 'by a person' })).toMatchObject({ outcome: 'succeeded' });
    expect(await act({ input: 'key', key: 'Enter' })).toMatchObject({ outcome: 'succeeded' });
    expect(await act({ input: 'click', x: 640, y: 780 })).toMatchObject({ outcome: 'succeeded' });
    expect(await act({ input: 'open', url: 'https://example.org' })).toMatchObject({ outcome: 'refused' });
    await until(
      'it to be typed',
      async () => (await readFile(join(folder, 'live.txt'), 'utf8')) === 'by a person\n',
    );
    const acted = (await eventsOf(runId)).filter((event) => eventTypeOf(event) === 'control.acted');
    expect(acted).toHaveLength(3);
    expect(JSON.stringify(acted)).not.toContain('by a person');
    const shown = pictures.length;
    await until('another picture', () => pictures.length > shown || pictures.length > 1);
    socket.close();
    await server.post(`/runs/${runId}/handback`, { lease });
    await server.post(`/runs/${runId}/cancel`, {});
    await until('its end', async () => (await rests(runId)).status === 'cancelled');
  });

  it('organises files, and puts them back', async () => {
    const source = join(folder, 'papers');
    await mkdir(source);
    const names = [
      'one.pdf',
      "it's two.PDF",
      'x$(touch three).pdf',
      'four; rm five.pdf',
      'readme.txt',
      'líne é.pdf',
    ];
    for (const name of names) await writeFile(join(source, name), `${name} as it was`);
    const metadata = { allowFolders: [source] };
    const inputs = {
      source,
      rules: [
        { contains: 'two', to: 'Second/Deep' },
        { ending: '.pdf', to: 'PDF' },
      ],
    };
    const done = await submit(server, { template: 'desktop_ops', inputs, metadata });
    expect(await rests(done.runId)).toMatchObject({ status: 'succeeded' });
    const below = async () =>
      (await readdir(source, { recursive: true })).filter((path) => path.includes('.')).sort();
    expect(await below()).toEqual(
      [
        'PDF/four; rm five.pdf',
        'PDF/líne é.pdf',
        'PDF/one.pdf',
        'PDF/x$(touch three).pdf',
        "Second/Deep/it's two.PDF",
        'readme.txt',
      ].sort(),
    );
    const journal = await server.get(`/runs/${done.runId}/files/outputs/undo.json`);
    const undone = await submit(server, {
      template: 'desktop_ops',
      inputs: { undo: journal.body },
      metadata,
    });
    expect(await rests(undone.runId)).toMatchObject({ status: 'succeeded' });
    expect(await below()).toEqual([...names].sort());
    for (const name of names) expect(await readFile(join(source, name), 'utf8')).toBe(`${name} as it was`);
  });

  it('does nothing for a task in words while there is no model', async () => {
    const steps = [{ id: 'a', title: 'a', do: 'desktop.task', with: { instruction: 'look around' } }];
    const { runId } = await submit(server, { plan: { steps } });
    expect((await rests(runId)).failure).toMatchObject({ code: 'needs-model' });
  });

  it('puts nothing back that is not what was moved', async () => {
    const source = join(folder, 'changed');
    await mkdir(source);
    await writeFile(join(source, 'a.pdf'), 'mine');
    const metadata = { allowFolders: [source] };
    const { runId } = await submit(server, { template: 'desktop_ops', inputs: { source }, metadata });
    await rests(runId);
    const journal = await server.get(`/runs/${runId}/files/outputs/undo.json`);
    await writeFile(join(source, 'PDF', 'a.pdf'), 'somebody else’s by now');
    const undone = await submit(server, {
      template: 'desktop_ops',
      inputs: { undo: journal.body },
      metadata,
    });
    expect(await rests(undone.runId)).toMatchObject({ status: 'failed', failure: { code: 'check-failed' } });
    expect(await readdir(join(source, 'PDF'))).toEqual(['a.pdf']);
  });

  it('writes over nothing, and says so', async () => {
    const source = join(folder, 'taken');
    await mkdir(join(source, 'PDF'), { recursive: true });
    await writeFile(join(source, 'a.pdf'), 'new');
    await writeFile(join(source, 'PDF', 'a.pdf'), 'old');
    const { runId } = await submit(server, {
      template: 'desktop_ops',
      inputs: { source },
      metadata: { allowFolders: [source] },
    });
    expect(await rests(runId)).toMatchObject({ status: 'failed', failure: { code: 'check-failed' } });
    expect(await readFile(join(source, 'a.pdf'), 'utf8')).toBe('new');
    expect(await readFile(join(source, 'PDF', 'a.pdf'), 'utf8')).toBe('old');
  });
});

describeDesktop('a run whose owner is gone', () => {
  it('types no more once a later owner looks how things stand', async () => {
    delete process.env.DISPLAY;
    const root = await mkdtemp(join(tmpdir(), 'skyagent-owner-'));
    const own = createOwnDesktop({ home: root, apps: [], report: () => undefined });
    try {
      const link = await own.link();
      const driver = () =>
        createDesktopDriver({
          fleet: fleetOf(link),
          person: { came: () => Promise.resolve(true), left: () => undefined },
          apps: [],
          folders: [],
          agentFsRoot: root,
        });
      const step = stepSchema.parse({
        id: 'a',
        title: 'a',
        do: 'desktop.script',
        with: { actions: [{ hold: { keys: ['shift'] } }, { type: { text: 'x'.repeat(2000), paceMs: 20 } }] },
      });
      const task = (epoch: number): StepTask => ({
        ...UNTROUBLED,
        runId: 'run_1',
        stepId: 'a',
        attempt: 1,
        step,
        planned: step,
        idempotencyKey: 'run_1/a',
        mission: { inputs: {}, metadata: {} },
        files: runFiles(root, 'run_1'),
        signal: new AbortController().signal,
        mayAct: () => Promise.resolve(),
        trace: () => undefined,
        fence: { epoch, control: 0 },
      });
      const typing = driver()
        .execute(task(1))
        .catch((error: unknown) => error);
      await until('the first to have it', async () => (await link.info()).control.state === 'run');
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(await driver().reconcile!(task(2))).toEqual({ outcome: 'unknown' });
      const stopped = (await typing) as Error;
      expect(stopped).toBeInstanceOf(Error);
      expect((await link.info()).control).toMatchObject({ lease: { epoch: 2 } });
    } finally {
      await own.close();
      await rm(root, { recursive: true, force: true });
      if (display !== undefined) process.env.DISPLAY = display;
    }
  });
});

describeDesktop('a task in words', () => {
  let own: ReturnType<typeof createOwnDesktop>;
  let root: string;
  beforeAll(async () => {
    delete process.env.DISPLAY;
    root = await mkdtemp(join(tmpdir(), 'skyagent-task-'));
    own = createOwnDesktop({ home: root, apps: [], report: () => undefined });
  });
  afterAll(async () => {
    await own.close();
    await rm(root, { recursive: true, force: true });
    if (display !== undefined) process.env.DISPLAY = display;
  });

  let runs = 0;
  async function run(decide: DesktopPolicy['decide'], more: object = {}, task: Partial<StepTask> = {}) {
    const link = await own.link();
    const driver = createDesktopDriver({
      fleet: fleetOf(link),
      person: { came: () => Promise.resolve(true), left: () => undefined },
      apps: ['xcalc'],
      folders: [],
      agentFsRoot: root,
      policy: { name: 'scripted', decide },
    });
    const step = stepSchema.parse({
      id: 'a',
      title: 'a',
      do: 'desktop.task',
      with: { instruction: 'Reckon', ...more },
    });
    const runId = `run_${++runs}`;
    try {
      return await driver.execute({
        ...UNTROUBLED,
        runId,
        stepId: 'a',
        attempt: 1,
        step,
        planned: step,
        idempotencyKey: `${runId}/a`,
        mission: { inputs: {}, metadata: {} },
        files: runFiles(root, runId),
        signal: new AbortController().signal,
        mayAct: () => Promise.resolve(),
        trace: () => undefined,
        ...task,
      });
    } finally {
      await driver.endRun!(runId, 'ended');
    }
  }
  const act = (action: Json): Decision => ({ kind: 'act', action });

  it('is carried out by what a policy decides, who sees the screen in the frame that is declared', async () => {
    const seen: { width: number; outcome: string | undefined }[] = [];
    const decisions = [
      act({ launch: { app: 'xcalc' } }),
      act({ wait: { window: { app: 'xcalc' } } }),
      act({ fly: {} }),
      act({ click: { at: { x: 5000, y: 1 } } }),
      act({ windows: {} }),
    ];
    const { output } = await run(
      ({ observation, past }) => {
        seen.push({ width: observation.width, outcome: past.at(-1)?.outcome });
        const next = decisions[past.length];
        const windows = observation.windows as { app: string }[];
        return Promise.resolve(next ?? { kind: 'done', extracted: { app: windows[0]!.app } });
      },
      { frame: { width: 640, height: 400 }, schema: { type: 'object', required: ['app'] } },
    );
    expect(output).toMatchObject({ extracted: { app: 'xcalc XCalc' }, actions: 5 });
    expect(seen.map(({ outcome }) => outcome)).toEqual([
      undefined,
      'done',
      'done',
      'refused',
      'failed',
      'done',
    ]);
    expect(seen.every(({ width }) => width === 640)).toBe(true);
  });

  it.each([
    ['goes round in circles', () => act({ move: { to: { x: 9, y: 9 } } }), 'agent-loop'],
    ['does not get any further', (n: number) => act({ click: { at: { x: 6000 + n, y: 1 } } }), 'agent-stuck'],
    ['gives up', (): Decision => ({ kind: 'give-up', reason: 'words of the screen' }), 'task-given-up'],
    [
      'takes too many actions',
      (n: number) => act({ move: { to: { x: 10 + n, y: 9 } } }),
      'agent-out-of-actions',
    ],
  ])('fails when the policy %s', async (_how, decide, code) => {
    const failed: unknown = await run(({ past }) => Promise.resolve(decide(past.length)), {
      maxActions: 8,
    }).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(StepFailedError);
    expect((failed as StepFailedError).code).toBe(code);
    expect(JSON.stringify((failed as StepFailedError).failure)).not.toContain('words of the screen');
  });

  it('is suspended between two actions, and goes on knowing what it did', async () => {
    const pause = new AbortController();
    const suspended: unknown = await run(
      ({ past }) => {
        if (past.length === 2) pause.abort();
        return Promise.resolve(act({ move: { to: { x: 100 + past.length, y: 100 } } }));
      },
      {},
      { pausing: pause.signal },
    ).catch((error: unknown) => error);
    expect(suspended).toBeInstanceOf(SuspendedError);
    const { progress } = suspended as SuspendedError;
    const { output } = await run(
      ({ past }) => Promise.resolve({ kind: 'done', extracted: past.length }),
      {},
      { progress },
    );
    expect(output).toMatchObject({ extracted: 2 });
  });
});
