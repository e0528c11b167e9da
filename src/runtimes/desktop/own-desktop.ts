import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, constants, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { environmentOf, searchPath } from '../../config.js';
import { fail } from '../../failures/failures.js';
import { compiledFile } from '../../setup/package-root.js';
import { createHttpLink } from './http.link.js';
import type { DesktopLink } from './link.js';

/** The name of this process's own desktop. */
export const OWN = 'local';

export interface OwnDesktopSettings {
  readonly home: string;
  /** Programs that may be started besides those that everybody has: `name` or `name=command`. */
  readonly apps: readonly string[];
  readonly report: (line: string) => void;
}

export interface OwnDesktop {
  /** The way to it; starts it when it does not run. */
  link(): Promise<DesktopLink>;
  /** The same, if it runs. */
  running(): Promise<DesktopLink | undefined>;
  close(): Promise<void>;
}

/** What is known to the daemon; which of them a mission may start, the driver decides. */
const KNOWN_APPS = [
  'terminal=xterm -name skyagent-terminal -u8 -fa Monospace -fs 11 -geometry 100x24 -T terminal -e sh',
  'xterm',
  'mousepad',
  'pcmanfm',
  'xcalc',
  'firefox',
  'chromium',
  'libreoffice',
  'gedit',
  'nautilus',
];
/** Small heaps: a daemon waits most of the time. */
export const DAEMON_FLAGS = ['--max-semi-space-size=1', '--optimize-for-size'] as const;
const SCREEN = '1280x800';
const START_MS = 30_000;
const STOP_MS = 5_000;
const INHERITED = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'LC_ALL',
  'LC_CTYPE',
  'TZ',
  'TMPDIR',
  'DISPLAY',
  'XAUTHORITY',
  'WAYLAND_DISPLAY',
  'XDG_RUNTIME_DIR',
  'XDG_SESSION_TYPE',
  'XDG_DATA_DIRS',
  'XDG_CONFIG_HOME',
  'DBUS_SESSION_BUS_ADDRESS',
];

/** A desktop on this very machine: the display of whoever started this process, or a virtual one where there is none. */
export function createOwnDesktop(settings: OwnDesktopSettings): OwnDesktop {
  let running: Promise<Running> | undefined;
  let closed = false;

  async function start(): Promise<Running> {
    const started = await startDaemon(settings);
    started.child.once('exit', () => {
      running = undefined;
      if (!closed)
        settings.report('the desktop of this process has gone; the next step that needs one starts it again');
    });
    return started;
  }

  return {
    link: async () => {
      if (closed) throw fail('desktop-lost', 'this process is stopping');
      running ??= start().catch((error: unknown) => {
        running = undefined;
        throw error;
      });
      return (await running).link;
    },
    running: async () => (await running?.catch(() => undefined))?.link,
    close: async () => {
      closed = true;
      const started = await running?.catch(() => undefined);
      await started?.stop();
    },
  };
}

interface Running {
  readonly child: ChildProcess;
  readonly link: DesktopLink;
  stop(): Promise<void>;
}

async function startDaemon({ home, apps, report }: OwnDesktopSettings): Promise<Running> {
  const folder = join(home, 'desktop');
  await mkdir(folder, { recursive: true });
  // A token of its own for each start: nobody else is to find the way in.
  const tokenFile = join(folder, `own-${process.pid}-${randomBytes(4).toString('hex')}`);
  const environment = environmentOf(INHERITED);
  const isVirtual = process.platform === 'linux' && !environment.DISPLAY;
  if (isVirtual && !(await isInstalled('Xvfb')))
    throw fail('needs-desktop', 'there is no display here, and Xvfb, which makes one, is not installed');
  const child = spawn(
    process.execPath,
    [
      ...DAEMON_FLAGS,
      compiledFile('desktop-daemon/main.js'),
      '--port',
      '0',
      '--json',
      '--ends-with-stdin',
      '--name',
      OWN,
      '--token-file',
      tokenFile,
      ...(isVirtual ? ['--virtual', SCREEN, '--quiet-ms', '0'] : []),
      // Where a mission may look, the driver decides.
      '--folder',
      '/',
      ...[...KNOWN_APPS, ...apps].flatMap((app) => ['--app', app]),
    ],
    { stdio: ['pipe', 'pipe', 'pipe'], env: environment },
  );
  child.stdin.on('error', () => undefined);
  const said: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    said.push(line);
    if (said.length > MOST_LINES) said.shift();
  });
  try {
    const url = await urlOf(child, said);
    const token = (await readFile(tokenFile, 'utf8')).trim();
    report(
      `desktop: ${isVirtual ? `a virtual screen of ${SCREEN}` : `the display ${environment.DISPLAY ?? ''}`}`,
    );
    return {
      child,
      link: createHttpLink({ name: OWN, url, token, own: true }),
      stop: () => stop(child, tokenFile),
    };
  } catch (error) {
    await stop(child, tokenFile);
    throw error;
  }
}
const MOST_LINES = 20;

/** The address that the daemon says once it is up. */
function urlOf(child: ChildProcess, said: readonly string[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const failed = (why: string) =>
    reject(fail('needs-desktop', `the desktop daemon ${why}: ${said.at(-1) ?? 'it said nothing'}`));
  const late = setTimeout(() => failed('did not come up'), START_MS);
  createInterface({ input: child.stdout! }).once('line', (line) =>
    resolve((JSON.parse(line) as { url: string }).url),
  );
  child.once('exit', () => failed('ended at once'));
  child.once('error', () => failed('could not be started'));
  return promise.finally(() => clearTimeout(late));
}

async function stop(child: ChildProcess, tokenFile: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.stdin!.end();
    const kill = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await gone;
    clearTimeout(kill);
  }
  await rm(tokenFile, { force: true });
}

/** Whether a program is on PATH. */
export async function isInstalled(program: string): Promise<boolean> {
  for (const folder of searchPath()) {
    const found = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}
