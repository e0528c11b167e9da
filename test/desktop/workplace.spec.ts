import { describe, expect, it } from '@jest/globals';
import type { DesktopAnswer, DesktopCommand, DesktopControl } from '#events/desktop.js';
import { createApps } from '../../desktop-daemon/apps.js';
import { createWorkplace, type Workplace } from '../../desktop-daemon/desk.js';
import { createFolders } from '../../desktop-daemon/folders.js';
import { createFakeScreen, type FakeScreen } from '../../desktop-daemon/screen/fake.screen.js';
import type { WindowFacts } from '../../desktop-daemon/screen/screen.js';
import { until } from '../support/wait.js';

const LEASE = { run: 'run_1', epoch: 1, control: 0 };
const window = (id: number, title: string, app = 'xterm XTerm'): WindowFacts => {
  const place = { x: 10, y: 10, width: 100, height: 100 };
  return { id, title, app, pid: id, active: id === 1, content: place, ...place };
};

function given(windows: WindowFacts[] = []): {
  screen: FakeScreen;
  workplace: Workplace;
  said: string[];
  told: DesktopControl[];
} {
  const said: string[] = [];
  const told: DesktopControl[] = [];
  const screen = createFakeScreen(windows);
  const ocr = { isAvailable: () => Promise.resolve(false), read: () => Promise.reject(new Error('none')) };
  const workplace = createWorkplace({
    screen,
    ocr,
    apps: createApps(new Map(), undefined),
    folders: createFolders([]),
    report: (line) => said.push(line),
    leaseMs: 30_000,
    quietMs: 0,
  });
  workplace.onControl((control) => told.push(control));
  workplace.control({ do: 'acquire', lease: LEASE });
  return { screen, workplace, said, told };
}
const act = (
  workplace: Workplace,
  action: object,
  more: Partial<DesktopCommand> = {},
): Promise<DesktopAnswer> =>
  workplace.act(
    { v: 1, action: action as DesktopCommand['action'], lease: LEASE, ...more },
    new AbortController().signal,
  );
const codeOf = (answer: DesktopAnswer) => (answer.ok ? 'ok' : answer.error.code);

describe('a workplace', () => {
  it.each([
    [{ move: { to: { x: 5, y: 6 } } }, ['move 5,6']],
    [{ click: { at: { x: 5, y: 6 } } }, ['move 5,6', 'press left', 'release left']],
    [
      { click: { button: 'right', count: 2 } },
      ['press right', 'release right', 'press right', 'release right'],
    ],
    [{ click: { modifiers: ['Control'] } }, ['down ctrl', 'press left', 'release left', 'up ctrl']],
    [{ scroll: { dy: 3, dx: -1 } }, ['wheel -1,3']],
    [{ key: { key: 'Return' } }, ['down enter', 'up enter']],
    [{ key: { key: 'x', repeat: 2 } }, ['down x', 'up x', 'down x', 'up x']],
    [{ hotkey: { keys: ['ctrl', 'shift', 'T'] } }, ['down ctrl+shift+T', 'up ctrl+shift+T']],
    [{ hold: { keys: ['alt'], ms: 1 } }, ['down alt', 'up alt']],
    [{ type: { text: 'four' } }, ['type 4']],
    [{ setClipboard: { text: 'five5' } }, ['clipboard 5']],
    [{ paste: { text: 'sixsix' } }, ['paste 6 ctrl+v', 'clipboard 0']],
    [{ focusWindow: { window: { title: 'one' } } }, ['focus 1']],
    [{ closeWindow: { window: { app: 'XCalc' } } }, ['close 3']],
    [
      {
        drag: {
          path: [
            { x: 0, y: 0 },
            { x: 20, y: 0 },
          ],
          stepMs: 0,
        },
      },
      ['move 0,0', 'press left', 'move 20,0', 'release left'],
    ],
  ])('does %j', async (action, done) => {
    const { screen, workplace } = given([
      window(1, 'one'),
      window(2, 'two'),
      window(3, 'three', 'xcalc XCalc'),
    ]);
    expect(codeOf(await act(workplace, action))).toBe('ok');
    expect(screen.done.slice(-done.length)).toEqual(done);
    expect(screen.down()).toEqual([]);
  });

  it.each([
    ['no window that fits', { focusWindow: { window: { title: 'four' } } }, 'no-such-window'],
    ['two windows that fit', { focusWindow: { window: { app: 'xterm' } } }, 'window-ambiguous'],
    ['reading without OCR', { readText: {} }, 'fault'],
  ])('refuses %s', async (_what, action, code) => {
    const { workplace } = given([window(1, 'one'), window(2, 'two')]);
    expect(codeOf(await act(workplace, action))).toBe(code);
  });

  it('does nothing, and shows nothing, while the screen is locked', async () => {
    const { screen, workplace } = given();
    screen.locked = true;
    const before = screen.done.length;
    for (const action of [{ screenshot: {} }, { click: {} }, { type: { text: 'x' } }, { windows: {} }])
      expect(codeOf(await act(workplace, action))).toBe('screen-locked');
    expect(screen.done).toHaveLength(before);
  });

  it('lets go of everything when a person comes, and stops in the middle of a text', async () => {
    const { screen, workplace, told } = given();
    await act(workplace, { hold: { keys: ['shift'] } });
    await act(workplace, { hold: { button: 'left' } });
    const typing = act(workplace, { type: { text: 'a'.repeat(500) } });
    const next = act(workplace, { key: { key: 'x' } });
    await until('it to type', () => screen.down().length === 2);
    await new Promise((resolve) => setTimeout(resolve, 20));
    screen.person('mouse');
    const stopped = await typing;
    expect(stopped).toMatchObject({ ok: false, error: { code: 'person-at-controls', untouched: false } });
    expect((stopped as { error: { typed: number } }).error.typed).toBeGreaterThan(0);
    expect(await next).toMatchObject({ ok: false, error: { code: 'person-at-controls', untouched: true } });
    await until('all keys to be up', () => screen.down().length === 0);
    expect(told.at(-1)).toEqual({ state: 'person', lease: LEASE, by: 'mouse' });
  });

  it('lets go of everything when nothing is heard of a run, without anybody’s asking', async () => {
    const { screen, workplace } = given();
    workplace.control({ do: 'acquire', lease: LEASE, ttlMs: 1000 });
    await act(workplace, { hold: { keys: ['shift'] } });
    const typing = act(workplace, { type: { text: 'a'.repeat(5000) } });
    expect(codeOf(await typing)).toBe('canceled');
    await until('all keys to be up', () => screen.down().length === 0);
    expect(workplace.current()).toEqual({ state: 'free' });
  });

  it('says what was not begun that it is untouched', async () => {
    const { workplace } = given();
    const typing = act(workplace, { type: { text: 'a'.repeat(300) } }, { id: 'one' });
    const waiting = act(workplace, { click: {} }, { id: 'two' });
    workplace.cancel('two');
    workplace.cancel('one');
    expect(await typing).toMatchObject({ error: { code: 'canceled' } });
    expect(await waiting).toMatchObject({ error: { code: 'canceled', untouched: true } });
  });

  it('goes on when whoever listens fails', async () => {
    const { screen, workplace, said } = given();
    workplace.onControl(() => {
      throw new Error('the line is gone');
    });
    screen.person('mouse');
    expect(workplace.current().state).toBe('person');
    expect(said.join()).not.toContain('the line is gone');
    await workplace.close();
    expect(screen.done.at(-1)).toBe('close');
  });
});
