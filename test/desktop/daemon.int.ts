import { readFile, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { DesktopLease } from '#events/desktop.js';
import type { ChildScreen } from '../../desktop-daemon/screen/child.screen.js';
import { connectToX } from '../../desktop-daemon/screen/x11/connection.js';
import { describeDesktop, LEASE, personAt, startDaemon, type TestDaemon } from '../support/desktop.js';
import { until } from '../support/wait.js';

let daemon: TestDaemon;
let person: ChildScreen;

const codeOf = ({ body }: { body: object }) => (body as { error?: { code: string } }).error?.code;
const control = async () => (await daemon.ask('/v1/info')).body['control'];
const acquire = (more: object = {}) =>
  daemon.control({ do: 'acquire', lease: { ...lease, ...more }, ttlMs: 600_000 });
/** Each test is a run of its own. */
let lease: DesktopLease = LEASE;
let runs = 0;
const LONG = 'never to be seen in any log '.repeat(40);

describeDesktop('the computer-use daemon', () => {
  beforeAll(async () => {
    daemon = await startDaemon(['--app', 'xcalc', '--label', 'room=lab', '--name', 'bench-1']);
    person = await personAt(daemon);
    await person.state();
  });
  afterAll(async () => {
    await person.close();
    await daemon.stop();
  });
  beforeEach(async () => {
    await daemon.control({ do: 'handback' });
    lease = { run: `run_${++runs}`, epoch: 1, control: 1 };
    await acquire();
  });
  afterEach(() => daemon.control({ do: 'release', lease }));
  const act = (action: object, more: object = {}) => daemon.act(action, { lease, ...more });

  describe('who may ask', () => {
    it.each([
      ['no token', { authorization: '' }, 401, 'no-valid-token'],
      ['a wrong token', { authorization: `Bearer ${'x'.repeat(43)}` }, 401, 'no-valid-token'],
      ['a token that is longer', { authorization: `Bearer ${'x'.repeat(5000)}` }, 401, 'no-valid-token'],
      ['a web page', { origin: 'https://example.org' }, 403, 'origin-not-allowed'],
      ['a web page of this machine', { origin: 'http://127.0.0.1:9990' }, 403, 'origin-not-allowed'],
      ['a page that is navigated to', { 'sec-fetch-site': 'none' }, 403, 'origin-not-allowed'],
    ])('refuses %s, and does nothing', async (_who, headers, status, code) => {
      const before = (await act({ cursor: {} })).body;
      const body = { v: 1, action: { move: { to: { x: 5, y: 5 } } }, lease };
      const answer = await daemon.ask('/v1/actions', body, headers);
      expect([answer.status, codeOf(answer)]).toEqual([status, code]);
      expect((await act({ cursor: {} })).body).toMatchObject({
        result: (before as { result: object }).result,
      });
    });

    it('keeps its token for itself', async () => {
      const { body } = await daemon.ask('/livez', undefined, { authorization: '' });
      expect(body).toEqual({ ok: true });
      expect(daemon.said()).not.toContain(daemon.token);
    });

    it.each([
      ['no JSON', 'text/plain', '{}', 415],
      ['what is not JSON', 'application/json', '{', 400],
    ])('refuses %s', async (_what, type, body, status) => {
      const answer = await fetch(`${daemon.url}/v1/actions`, {
        method: 'POST',
        body,
        headers: { authorization: `Bearer ${daemon.token}`, 'content-type': type },
      });
      expect(answer.status).toBe(status);
    });

    it('tells what it is', async () => {
      const { body } = await daemon.ask('/v1/info');
      expect(body).toMatchObject({
        name: 'bench-1',
        labels: { room: 'lab' },
        platform: 'linux',
        screen: { width: 1280, height: 800 },
        apps: ['xcalc'],
        ocr: true,
        control: { state: 'run', lease },
      });
    });
  });

  describe('what is not right', () => {
    it.each([
      ['a place to the right of the screen', { click: { at: { x: 1280, y: 10 } } }, 422, 'outside-screen'],
      ['a place far below', { move: { to: { x: 1, y: 30_000 } } }, 422, 'outside-screen'],
      [
        'a path that leaves the screen',
        {
          drag: {
            path: [
              { x: 1, y: 1 },
              { x: 1, y: 900 },
            ],
          },
        },
        422,
        'outside-screen',
      ],
      [
        'a region that does not fit',
        { screenshot: { region: { x: 1000, y: 0, width: 300, height: 10 } } },
        422,
        'outside-screen',
      ],
      ['a negative place', { move: { to: { x: -1, y: 5 } } }, 422, 'bad-argument'],
      ['half a pixel', { move: { to: { x: 1.5, y: 5 } } }, 422, 'bad-argument'],
      ['an expression that was not resolved', { move: { to: { x: '{{ x }}', y: 5 } } }, 422, 'bad-argument'],
      ['an action that there is not', { evaluate: { code: '1' } }, 422, 'bad-argument'],
      ['two actions at once', { cursor: {}, windows: {} }, 422, 'bad-argument'],
      ['a key that there is not', { key: { key: 'hyper' } }, 422, 'unknown-key'],
      ['a chord with such a key', { hotkey: { keys: ['ctrl', 'nope'] } }, 422, 'unknown-key'],
      ['a window that is gone', { focusWindow: { window: { id: 4242 } } }, 404, 'no-such-window'],
      ['a program that is not allowed', { launch: { app: 'xterm' } }, 403, 'app-not-allowed'],
      ['an option for a program', { launch: { app: 'xcalc', args: ['-stipple'] } }, 422, 'bad-argument'],
      [
        'a file that there is not',
        { openFile: { path: '/nonexistent', app: 'xcalc' } },
        404,
        'file-not-found',
      ],
      ['a file to be run', { openFile: { path: '/bin/sh' } }, 403, 'app-not-allowed'],
      ['a folder that is not allowed', { files: { path: '/etc' } }, 422, 'folder-not-allowed'],
      ['a control character', { type: { text: 'a\u001b[2J' } }, 422, 'bad-argument'],
      ['half a character', { type: { text: '\ud83c' } }, 422, 'bad-argument'],
      ['a wait that is in vain', { wait: { window: { title: 'nobody' }, timeoutMs: 50 } }, 408, 'not-seen'],
    ])('refuses %s, and does nothing', async (_what, action, status, code) => {
      await person.move({ x: 640, y: 400 }).catch(() => undefined);
      const answer = await act(action);
      expect([answer.status, codeOf(answer)]).toEqual([status, code]);
      expect(answer.body).toMatchObject({ ok: false, error: { untouched: true, hint: expect.any(String) } });
    });

    it.each(['f13', 'f24', 'audio_play', 'Clear', 'fn'])('lives on after the key %s', async (key) => {
      const answer = await act({ key: { key } });
      expect([200, 422]).toContain(answer.status);
      expect((await act({ cursor: {} })).status).toBe(200);
    });
  });

  describe('a declared frame', () => {
    const frame = { width: 640, height: 400 };

    it('is what places are counted in, and answers too', async () => {
      await act({ move: { to: { x: 639, y: 399 } } }, { frame });
      expect((await act({ cursor: {} })).body).toMatchObject({ result: { x: 1279, y: 799 } });
      expect((await act({ cursor: {} }, { frame })).body).toMatchObject({ result: { x: 639, y: 399 } });
      expect(codeOf(await act({ move: { to: { x: 640, y: 1 } } }, { frame }))).toBe('outside-screen');
    });

    it('is the size of its pictures', async () => {
      const { body } = await act({ screenshot: {} }, { frame });
      expect(body).toMatchObject({ image: { mediaType: 'image/png', width: 640, height: 400 } });
      const { body: half } = await act(
        { screenshot: { format: 'jpeg', scale: 0.5, region: { x: 0, y: 0, width: 320, height: 200 } } },
        { frame },
      );
      expect(half).toMatchObject({ image: { mediaType: 'image/jpeg', width: 160, height: 100 } });
    });
  });

  describe('the controls', () => {
    it.each([
      ['no lease', undefined, 'no-lease'],
      ['the lease of another run', { run: 'run_other', epoch: 9, control: 9 }, 'busy'],
    ])('are refused with %s', async (_what, other, code) => {
      expect(codeOf(await act({ move: { to: { x: 1, y: 1 } } }, { lease: other }))).toBe(code);
    });

    it('are refused to an earlier owner of the run, also when it asks for them', async () => {
      await acquire({ epoch: 2 });
      expect(codeOf(await act({ move: { to: { x: 1, y: 1 } } }))).toBe('stale-lease');
      expect(codeOf(await acquire())).toBe('stale-lease');
      lease = { ...lease, epoch: 2 };
    });

    it('are free again when nothing is heard of a run', async () => {
      await daemon.control({ do: 'release', lease });
      await daemon.control({ do: 'acquire', lease: { ...lease, run: 'run_short' }, ttlMs: 1000 });
      expect(codeOf(await acquire())).toBe('busy');
      await until('the lease to run out', async () => (await acquire()).status === 200);
    });

    it('let whoever only looks look on', async () => {
      const { status } = await act({ windows: {} }, { lease: undefined });
      expect(status).toBe(200);
    });
  });

  describe('a person at the desktop', () => {
    const signs: [string, () => Promise<void>][] = [
      ['moves the mouse', () => person.move({ x: 300, y: 300 })],
      ['presses a button', () => person.press('left').then(() => person.release('left'))],
      ['turns the wheel', () => person.wheel(0, 1)],
      ['presses a key', () => person.pressKeys(['shift']).then(() => person.releaseKeys(['shift']))],
    ];

    it.each(signs)('who %s stops a run at once, in the middle of a long text', async (_how, act0) => {
      await act({ move: { to: { x: 700, y: 500 } } });
      const typing = act({ type: { text: LONG, paceMs: 20 } });
      await sleep(300);
      const from = performance.now();
      await act0();
      const stopped = (await typing) as { status: number; body: { error: { typed: number } } };
      const took = performance.now() - from;
      expect([stopped.status, codeOf(stopped)]).toEqual([423, 'person-at-controls']);
      expect(stopped.body.error.typed).toBeGreaterThan(3);
      expect(stopped.body.error.typed).toBeLessThan(LONG.length / 2);
      expect(await control()).toMatchObject({ state: 'person', lease });
      process.stdout.write(`noticed after ${Math.round(took)} ms\n`);
      expect(took).toBeLessThan(5_000);
      expect(codeOf(await act({ key: { key: 'a' } }))).toBe('person-at-controls');
      // Not by another fence of the same run, nor by another run; but by one that a person has handed back.
      expect(codeOf(await acquire({ epoch: 5 }))).toBe('person-at-controls');
      expect(codeOf(await daemon.control({ do: 'acquire', lease: { ...lease, run: 'run_9' } }))).toBe(
        'person-at-controls',
      );
    });

    it('is not taken for one by the daemon’s own doing', async () => {
      await act({ launch: { app: 'xcalc' } });
      await act({ wait: { window: { app: 'xcalc' } } });
      await act({ focusWindow: { window: { app: 'xcalc' } } });
      for (let turn = 0; turn < 15; turn++) {
        await act({ click: { at: { x: 100 + turn * 20, y: 700 }, count: (turn % 3) + 1 } });
        await act({ scroll: { at: { x: 640, y: 400 }, dy: 2, dx: -1 } });
        await act({ type: { text: '12+3=漢é' } });
        await act({ hotkey: { keys: ['ctrl', 'shift', 'f5'] } });
        await act({
          drag: {
            path: [
              { x: 600, y: 600 },
              { x: 700, y: 650 },
            ],
          },
        });
        await act({ hold: { keys: ['alt'], ms: 30 } });
      }
      await sleep(400);
      expect(await control()).toMatchObject({ state: 'run' });
      await act({ closeWindow: { window: { app: 'xcalc' } } });
    });

    it('ends everything with the chord of the kill switch, until the desktop is handed back', async () => {
      await person.pressKeys(['ctrl', 'alt', 'shift', 's']);
      await person.releaseKeys(['ctrl', 'alt', 'shift', 's']);
      await until('it to stop', async () => ((await control()) as { state: string }).state === 'stopped');
      expect(codeOf(await acquire({ control: 9 }))).toBe('stopped');
      expect((await daemon.control({ do: 'handback' })).body).toMatchObject({ state: 'free' });
    });

    it('ends everything by throwing the mouse into the corner', async () => {
      await act({ move: { to: { x: 500, y: 500 } } });
      await person.move({ x: 0, y: 0 });
      await until('it to stop', async () => ((await control()) as { state: string }).state === 'stopped');
      expect(await control()).toMatchObject({ by: 'corner' });
    });
  });

  describe('a locked screen', () => {
    it('shows nothing and takes nothing, and is one when a locker is in front and holds the keyboard', async () => {
      const unlock = await lockScreen(daemon);
      try {
        for (const action of [{ screenshot: {} }, { type: { text: 'x' } }, { click: {} }, { windows: {} }]) {
          const answer = await act(action);
          expect([answer.status, codeOf(answer)]).toEqual([423, 'screen-locked']);
        }
      } finally {
        await unlock();
      }
      expect((await act({ screenshot: {} })).status).toBe(200);
    });
  });

  describe('what is under way', () => {
    it('ends when whoever asked hangs up', async () => {
      const hangUp = new AbortController();
      const body = JSON.stringify({ v: 1, action: { type: { text: LONG, paceMs: 20 } }, lease });
      const asked = fetch(`${daemon.url}/v1/actions`, {
        method: 'POST',
        body,
        signal: hangUp.signal,
        headers: { authorization: `Bearer ${daemon.token}`, 'content-type': 'application/json' },
      }).catch(() => 'hung up');
      await sleep(200);
      hangUp.abort();
      expect(await asked).toBe('hung up');
      const from = performance.now();
      expect((await act({ key: { key: 'shift' } })).status).toBe(200);
      expect(performance.now() - from).toBeLessThan(3_000);
    });

    it('ends when it is cancelled, and says how far it came', async () => {
      const typing = act({ type: { text: LONG, paceMs: 20 } }, { id: 'typing' });
      await sleep(300);
      await daemon.ask('/v1/cancel', { id: 'typing' });
      const { body } = (await typing) as unknown as { body: { error: { code: string; typed: number } } };
      expect(body.error.code).toBe('canceled');
      expect(body.error.typed).toBeGreaterThan(3);
      expect(body.error.typed).toBeLessThan(60);
    });

    it('waits for its turn, one action after the other', async () => {
      const moves = Array.from({ length: 20 }, (_, index) =>
        act({ move: { to: { x: 100 + index, y: 200 } } }),
      );
      await Promise.all(moves);
      expect((await act({ cursor: {} })).body).toMatchObject({ result: { x: 119, y: 200 } });
    });
  });

  describe('the screen process', () => {
    it('is started again when it dies, and nothing stays pressed', async () => {
      await act({ hold: { keys: ['shift'] } });
      const [child] = (await childrenOf(daemon.pid)).filter(({ command }) =>
        command.includes('screen/child.js'),
      );
      process.kill(child!.pid, 'SIGSEGV');
      await until(
        'it to be gone',
        async () => !(await childrenOf(daemon.pid)).some(({ pid }) => pid === child!.pid),
      );
      expect((await act({ cursor: {} })).status).toBe(200);
      await until('Shift to be up', async () => !(await shiftIsDown(daemon)));
      expect(await shiftIsDown(daemon)).toBe(false);
    });

    it('in the middle of an action leaves it open whether it was done', async () => {
      const typing = act({ type: { text: LONG, paceMs: 20 } });
      await sleep(300);
      const [child] = (await childrenOf(daemon.pid)).filter(({ command }) =>
        command.includes('screen/child.js'),
      );
      process.kill(child!.pid, 'SIGKILL');
      const answer = await typing;
      expect([answer.status, codeOf(answer)]).toEqual([503, 'screen-crashed']);
      expect(answer.body).toMatchObject({ error: { untouched: false } });
    });
  });

  it('says nothing of what was typed', async () => {
    await act({ type: { text: LONG } });
    await act({ paste: { text: LONG } });
    await act({ type: { text: LONG, paceMs: 'fast' } });
    await act({ typed: { text: LONG } });
    expect(daemon.said()).not.toContain('never to be seen');
  });
});

describeDesktop('a daemon', () => {
  it('keeps its token in a file of its own, for its user alone', async () => {
    const other = await startDaemon();
    const file = /the token is in (.*)/.exec(other.said())![1]!;
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await other.stop()).toBe(0);
  });

  it.each([
    ['no display', ''],
    ['a display that there is not', ':4999'],
  ])('with %s says so, does nothing, and lives on', async (_what, display) => {
    const blind = await startDaemon([], {}, ['--display', display]);
    try {
      expect((await blind.ask('/v1/info')).body).toMatchObject({
        problem: { code: 'no-display', hint: expect.stringContaining('doctor --fix'), untouched: true },
      });
      await blind.control({ do: 'acquire', lease: LEASE });
      for (const action of [{ screenshot: {} }, { click: {} }, { type: { text: 'x' } }, { windows: {} }]) {
        const answer = await blind.act(action);
        expect([answer.status, codeOf(answer)]).toEqual([503, 'no-display']);
      }
    } finally {
      expect(await blind.stop()).toBe(0);
    }
  });
});

async function childrenOf(pid: number): Promise<{ pid: number; command: string }[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return Promise.all(
    text
      .trim()
      .split(' ')
      .filter(Boolean)
      .map(async (child) => ({
        pid: Number(child),
        command: (await readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' '),
      })),
  );
}

/** What a screen locker does: a window over everything that no window manager has, and a hold on the keyboard. */
async function lockScreen({ display, authority }: TestDaemon): Promise<() => Promise<void>> {
  process.env.XAUTHORITY = authority!;
  const x = await connectToX(display);
  const { client } = x;
  const id = client.AllocID();
  client.CreateWindow(id, x.root, 0, 0, x.size.width, x.size.height, 0, 0, 0, 0, { overrideRedirect: 1 });
  client.MapWindow(id);
  await x.sync();
  await x.ask<number>((each, answer) => each.GrabKeyboard(id, 0, 0, 1, 1, answer));
  return async () => {
    client.UngrabKeyboard(0);
    client.DestroyWindow(id);
    await x.sync();
    x.close();
  };
}

async function shiftIsDown({ display, authority }: TestDaemon): Promise<boolean> {
  process.env.XAUTHORITY = authority!;
  const x = await connectToX(display);
  const { keyMask } = await x.ask<{ keyMask: number }>((client, answer) =>
    client.QueryPointer(x.root, answer),
  );
  x.close();
  return (keyMask & 1) !== 0;
}
