import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { describeDesktop, LEASE, startDaemon, type TestDaemon } from '../support/desktop.js';
import { until } from '../support/wait.js';

interface Window {
  readonly id: number;
  readonly title: string;
  readonly app: string;
  readonly pid?: number;
  readonly active: boolean;
  readonly x: number;
  readonly y: number;
  readonly content: { x: number; y: number; width: number; height: number };
}

let daemon: TestDaemon;
let folder: string;

const read = (name: string) => readFile(join(folder, name), 'utf8').catch(() => '');
const windows = () => daemon.done<Window[]>({ windows: {} });
/** Waits until a file is as long as it is to be, and compares it then. */
async function expectIn(name: string, text: string): Promise<void> {
  await until(`${name} is written`, async () => (await read(name)).length >= text.length).catch(
    () => undefined,
  );
  expect(await read(name)).toBe(text);
}
const press = (...keys: string[]) => daemon.done({ hotkey: { keys } });
const type = (text: string) => daemon.done({ type: { text } });

/** A terminal that writes what it is typed into a file, and nothing else. */
async function openTerminal(file: string): Promise<Window> {
  const { pid } = await daemon.done<{ pid: number }>({
    launch: { app: 'terminal', args: [join(folder, file)] },
  });
  await until('the terminal listens', async () => (await readdir(folder)).includes(file));
  const window = await until('its window', async () => (await windows()).find((each) => each.pid === pid));
  await daemon.done({ focusWindow: { window: { id: window.id } } });
  return window;
}

describeDesktop('programs that nobody here wrote', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'skyagent-programs-'));
    await writeFile(join(folder, 'listen.sh'), 'stty -ixon -icanon -echo; exec cat > "$1"\n');
    daemon = await startDaemon([
      '--app',
      `terminal=xterm -u8 -e sh ${join(folder, 'listen.sh')}`,
      ...['xcalc', 'mousepad', 'pcmanfm'].flatMap((app) => ['--app', app]),
      '--folder',
      folder,
    ]);
    await daemon.control({ do: 'acquire', lease: LEASE, ttlMs: 600_000 });
  });
  afterAll(async () => {
    await daemon.stop();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    // Programs that this test's daemon has started: some would ask whether to save.
    for (const { id, pid } of await windows())
      if (pid === undefined) await daemon.act({ closeWindow: { window: { id } } });
      else process.kill(pid, 'SIGKILL');
    await until('the desktop to be empty', async () => (await windows()).length === 0);
  });

  it('xcalc multiplies 17 by 23, and the answer is read back', async () => {
    await daemon.done({ launch: { app: 'xcalc' } });
    await daemon.done({ wait: { window: { app: 'xcalc' } } });
    await daemon.done({ focusWindow: { window: { app: 'xcalc' } } });
    await daemon.done({ type: { text: '17*23=', paceMs: 30 } });
    const [{ content }] = (await windows()) as [Window];
    const display = { x: content.x + 10, y: content.y + 10, width: content.width - 30, height: 24 };
    const answer = await until('the answer', async () => {
      const { text } = await daemon.done<{ text: string }>({ readText: { region: display } });
      return text.includes('391') && text;
    });
    expect(answer.trim()).toBe('391');
  });

  it('xcalc is clicked too: its keys are where they are seen', async () => {
    await daemon.done({ launch: { app: 'xcalc' } });
    await daemon.done({ wait: { window: { app: 'xcalc' } } });
    const [{ content }] = (await windows()) as [Window];
    const key = (column: number, row: number) => ({
      click: { at: { x: content.x + 25 + column * 44, y: content.y + 92 + row * 30 } },
    });
    // 9, ×, 8, =
    for (const at of [key(3, 7), key(4, 7), key(2, 7), key(4, 10)]) await daemon.done(at);
    const display = { x: content.x + 10, y: content.y + 10, width: content.width - 30, height: 24 };
    const shown = await until('the answer', async () => {
      const { text } = await daemon.done<{ text: string }>({ readText: { region: display } });
      return text.includes('72') && text.trim();
    });
    expect(shown).toBe('72');
  });

  it('mousepad saves what was written, byte for byte', async () => {
    const file = join(folder, 'note.txt');
    const text = 'Grüße, “world” – 1 < 2 && 3 > 2\n\tтакже 漢字 ~ ^ ` ´ {[|]} \\ €\nlast line';
    await writeFile(file, '');
    await daemon.done({ openFile: { path: file, app: 'mousepad' } });
    const window = await until('its window', async () =>
      (await windows()).find(({ title }) => title.includes('note.txt')),
    );
    await daemon.done({ focusWindow: { window: { id: window.id } } });
    await sleep(300);
    await type(text);
    await press('ctrl', 's');
    await expectIn('note.txt', text);
  });

  it('mousepad takes hotkeys and the clipboard', async () => {
    const file = join(folder, 'copy.txt');
    await writeFile(file, '');
    await daemon.done({ openFile: { path: file, app: 'mousepad' } });
    const window = await until('its window', async () =>
      (await windows()).find(({ title }) => title.includes('copy.txt')),
    );
    await daemon.done({ focusWindow: { window: { id: window.id } } });
    await sleep(300);
    await daemon.done({ setClipboard: { text: 'what was there' } });
    await daemon.done({ paste: { text: 'pasted: ñandú 🎉 ' } });
    expect(await daemon.done({ readClipboard: {} })).toBe('what was there');
    // A program that is slow gets the same.
    process.kill(window.pid!, 'SIGSTOP');
    const slow = daemon.done({ paste: { text: 'late ' } });
    await sleep(1_500);
    process.kill(window.pid!, 'SIGCONT');
    await slow;
    await press('ctrl', 'a');
    await press('ctrl', 'c');
    await daemon.done({ key: { key: 'end' } });
    await press('ctrl', 'v');
    await press('ctrl', 's');
    await expectIn('copy.txt', 'pasted: ñandú 🎉 late pasted: ñandú 🎉 late ');
    expect(await daemon.done({ readClipboard: {} })).toBe('pasted: ñandú 🎉 late ');
  });

  it('pcmanfm moves a file from one folder into another', async () => {
    const [from, to] = [join(folder, 'from'), join(folder, 'to')];
    await mkdir(from);
    await mkdir(to);
    await writeFile(join(from, 'moved.txt'), 'moved');
    await daemon.done({ launch: { app: 'pcmanfm', args: [from] } });
    await daemon.done({ wait: { window: { app: 'pcmanfm', title: 'from' } } });
    await daemon.done({ focusWindow: { window: { app: 'pcmanfm' } } });
    await sleep(800);
    await press('ctrl', 'a');
    await press('ctrl', 'x');
    await press('ctrl', 'l');
    await press('ctrl', 'a');
    await type(`${to}\n`);
    await daemon.done({ wait: { window: { app: 'pcmanfm', title: 'to' } } });
    await sleep(500);
    const { content } = (await windows()).find(({ app }) => app.includes('pcmanfm'))!;
    await daemon.done({
      click: { at: { x: content.x + content.width - 60, y: content.y + content.height - 80 } },
    });
    await press('ctrl', 'v');
    await until('the file to be there', async () => (await readdir(to)).includes('moved.txt'));
    expect(await daemon.done({ files: { path: to } })).toMatchObject({
      path: to,
      files: [{ path: 'moved.txt', bytes: 5 }],
    });
    expect(await daemon.done({ files: { path: from } })).toMatchObject({ files: [] });
  });

  it('a window is dragged by its title bar, moved, resized and brought to the front', async () => {
    await daemon.done({ launch: { app: 'xcalc' } });
    await daemon.done({ wait: { window: { app: 'xcalc' } } });
    const [before] = (await windows()) as [Window];
    const grip = { x: before.x + 60, y: before.y + 8 };
    await daemon.done({ drag: { path: [grip, { x: grip.x + 200, y: grip.y + 90 }] } });
    const [dragged] = (await windows()) as [Window];
    expect([dragged.x - before.x, dragged.y - before.y]).toEqual([200, 90]);
    await daemon.done({ moveWindow: { window: { id: before.id }, to: { x: 40, y: 50 } } });
    await daemon.done({ resizeWindow: { window: { id: before.id }, width: 300, height: 500 } });
    const [moved] = (await windows()) as [Window];
    expect(moved).toMatchObject({ x: 40, y: 50, content: { width: 300, height: 500 } });
    const other = await openTerminal('front.txt');
    expect(await daemon.done({ activeWindow: {} })).toMatchObject({ id: other.id });
    await daemon.done({ focusWindow: { window: { app: 'xcalc' } } });
    expect(await daemon.done({ activeWindow: {} })).toMatchObject({ id: before.id, active: true });
  });

  it.each([['us'], ['de'], ['fr'], ['us,ru']])(
    'a terminal gets every character of a keyboard with the layout %s',
    async (layout) => {
      const env = { ...process.env, DISPLAY: daemon.display, XAUTHORITY: daemon.authority };
      await promisify(execFile)('setxkbmap', [layout], { env });
      try {
        const file = `layout-${layout}.txt`;
        await openTerminal(file);
        const ascii = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join('');
        const text = `${ascii}\nÄÖÜß éèêç ñ ŁŽ ΑΩ Жщ 漢字 한국 →√€ 🎉 ${ascii}`;
        await type(text);
        await expectIn(file, text);
      } finally {
        await promisify(execFile)('setxkbmap', ['us'], { env });
      }
    },
  );

  it('a terminal gets more strange characters than a keyboard has keys to spare', async () => {
    await openTerminal('many.txt');
    const text = Array.from({ length: 400 }, (_, index) => String.fromCodePoint(0x4e00 + index * 7)).join('');
    await type(text);
    await expectIn('many.txt', text);
  });

  it('a terminal gets capitals as they are while Caps Lock is on, and it stays on', async () => {
    await openTerminal('caps.txt');
    await daemon.done({ key: { key: 'caps_lock' } });
    await type('Not Shouted');
    await expectIn('caps.txt', 'Not Shouted');
    await daemon.done({ key: { key: 'a' } });
    await expectIn('caps.txt', 'Not ShoutedA');
    await daemon.done({ key: { key: 'caps_lock' } });
  });

  it('the screen is waited for: a window, a colour, a picture of it, and that it goes', async () => {
    await daemon.done({ launch: { app: 'xcalc' } });
    const { id } = await daemon.done<{ id: number }>({ wait: { window: { app: 'xcalc' } } });
    await daemon.done({ moveWindow: { window: { id }, to: { x: 700, y: 100 } } });
    await sleep(300);
    const region = { x: 705, y: 190, width: 90, height: 40 };
    const { body } = await daemon.act({ screenshot: { region } });
    const image = body.ok ? body.image!.data : '';
    await daemon.done({ moveWindow: { window: { id }, to: { x: 300, y: 150 } } });
    await sleep(300);
    const found = await daemon.done({ wait: { image: { path: 'x.png' } } }, { image });
    expect(found).toEqual({ x: 305, y: 240, width: 90, height: 40 });
    await daemon.done({ closeWindow: { window: { id } } });
    await daemon.done({ wait: { window: { app: 'xcalc' }, gone: true } });
    await daemon.done({ wait: { pixel: { x: 320, y: 260, color: '#000000' } } });
    const { body: late } = await daemon.act(
      { wait: { image: { path: 'x.png' }, timeoutMs: 300 } },
      { image },
    );
    expect(late).toMatchObject({ ok: false, error: { code: 'not-seen' } });
  });
});
