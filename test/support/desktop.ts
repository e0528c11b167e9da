import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe } from '@jest/globals';
import type { DesktopAnswer, DesktopControl, DesktopLease } from '#events/desktop.js';
import type { ChildScreen } from '../../desktop-daemon/screen/child.screen.js';
import { compiledFile } from '../../src/setup/package-root.js';
import { missingPrograms } from '../../src/setup/install-desktop.mjs';

/** Tests of real desktops: left out where there can be none. */
export const describeDesktop: typeof describe | typeof describe.skip =
  missingPrograms().length === 0 ? describe : describe.skip;

export interface TestDaemon {
  readonly url: string;
  readonly token: string;
  readonly pid: number;
  readonly display: string;
  /** The cookie of a screen of its own. */
  readonly authority: string | undefined;
  /** Everything it has said, on both channels. */
  readonly said: () => string;
  ask(
    path: string,
    body?: object,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: Record<string, unknown> }>;
  act(action: object, more?: object): Promise<{ status: number; body: DesktopAnswer }>;
  /** The result of an action that must be done. */
  done<T>(action: object, more?: object): Promise<T>;
  control(command: object): Promise<{ status: number; body: DesktopControl }>;
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export const LEASE: DesktopLease = { run: 'run_1', epoch: 1, control: 0 };

/** A daemon with a screen of its own, in a process of its own. */
export async function startDaemon(
  args: readonly string[] = [],
  env: Record<string, string> = {},
  screen: readonly string[] = ['--virtual', '1280x800'],
): Promise<TestDaemon> {
  const folder = await mkdtemp(join(tmpdir(), 'skyagent-desktop-'));
  const tokenFile = join(folder, 'token');
  const fixed = ['--port', '0', '--json', '--ends-with-stdin', '--quiet-ms', '0', '--token-file', tokenFile];
  const child = spawn(
    process.execPath,
    [compiledFile('desktop-daemon/main.js'), ...fixed, ...screen, ...args],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...cleanEnvironment(), LANG: 'C.UTF-8', HOME: folder, ...env },
    },
  );
  let said = '';
  child.stderr.on('data', (bytes) => (said += String(bytes)));
  child.stdout.on('data', (bytes) => (said += String(bytes)));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    child.once('exit', () => reject(new Error(`the daemon ended: ${said}`)));
  });
  const { url, display, authority, pid } = JSON.parse(line) as Pick<
    TestDaemon,
    'url' | 'display' | 'authority' | 'pid'
  >;
  const token = (await readFile(tokenFile, 'utf8')).trim();
  const ask: TestDaemon['ask'] = async (path, body, headers = {}) => {
    const sent = { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) };
    const answer = await fetch(url + path, {
      headers: { ...sent, ...headers },
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const act = (action: object, more?: object) =>
    ask('/v1/actions', { v: 1, action, lease: LEASE, ...more }) as Promise<{ status: number; body: never }>;
  return {
    url,
    token,
    pid,
    display,
    authority,
    said: () => said,
    ask,
    act,
    done: async (action, more) => {
      const { body } = (await act(action, more)) as { body: DesktopAnswer };
      if (!body.ok) throw new Error(`${JSON.stringify(action)}: ${body.error.code} ${body.error.message}`);
      return body.result as never;
    },
    control: (command) => ask('/v1/control', command) as Promise<{ status: number; body: never }>,
    stop: async (signal) => {
      const code = new Promise<number | null>((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve(child.exitCode);
        child.once('exit', resolve);
      });
      if (signal) child.kill(signal);
      else child.stdin.end();
      const ended = await code;
      await rm(folder, { recursive: true, force: true });
      // One that was killed has left this behind.
      if (authority !== undefined) await rm(dirname(authority), { recursive: true, force: true });
      return ended;
    },
  };
}

function cleanEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name, value]) =>
      value !== undefined && !/^(DISPLAY|XAUTHORITY|WAYLAND_DISPLAY|NATS_|SKYAGENT_)/.test(name),
  );
  return Object.fromEntries(kept) as Record<string, string>;
}

/** Somebody at the desktop: the same mouse and keyboard, by another process than the daemon. */
export async function personAt({
  display,
  authority,
}: Pick<TestDaemon, 'display' | 'authority'>): Promise<ChildScreen> {
  process.env.XAUTHORITY = authority!;
  const { createChildScreen } = (await import(
    compiledFile('desktop-daemon/screen/child.screen.js')
  )) as typeof import('../../desktop-daemon/screen/child.screen.js');
  return createChildScreen({ display, hotkey: '', report: () => undefined });
}
