import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environment, findProgram } from './environment.js';
import { SettingsError } from './settings.js';

/** A screen that nobody sits at: Xvfb, and a window manager where one is installed. */
export interface VirtualDisplay {
  readonly display: string;
  /** What programs need to be let in, and to find that nobody else is at home. */
  readonly environment: Readonly<Record<string, string>>;
  readonly onEnd: (heard: () => void) => void;
  close(): Promise<void>;
}

const START_MS = 15_000;
const WINDOW_MANAGERS = ['openbox', 'xfwm4', 'icewm', 'fluxbox', 'matchbox-window-manager'];
/** There is no session here: programs that look for its services would wait for them, or start and leave them behind. */
const QUIET = {
  DBUS_SESSION_BUS_ADDRESS: 'disabled:',
  GSETTINGS_BACKEND: 'memory',
  GIO_USE_VFS: 'local',
  NO_AT_BRIDGE: '1',
};
const COOKIE = 'MIT-MAGIC-COOKIE-1';
/** Of any address. */
const FAMILY_WILD = 0xffff;

/** Starts one of a size such as `1280x800`, let in with a cookie that this process alone knows. */
export async function startVirtualDisplay(size: string): Promise<VirtualDisplay> {
  const xvfb = await findProgram('Xvfb');
  if (xvfb === undefined)
    throw new SettingsError('Xvfb is not installed; `skyagent doctor --fix` installs it on Debian');
  const folder = await mkdtemp(join(tmpdir(), 'skyagent-display-'));
  const authority = join(folder, 'authority');
  await writeFile(authority, authorityEntry(), { mode: 0o600 });
  // Whoever is killed takes nothing along by himself: the kernel does it, where there is a way to ask it.
  const [leash, ...leashArgs] = (await findProgram('setpriv')) ? ['setpriv', '--pdeathsig', 'KILL'] : [];
  const start: Start = (program, args, options) => {
    const line = leash === undefined ? [program, ...args] : [leash, ...leashArgs, program, ...args];
    return spawn(line[0]!, line.slice(1), options);
  };
  const server = start(
    xvfb,
    [
      '-displayfd',
      '3',
      '-screen',
      '0',
      `${size}x24`,
      '-nolisten',
      'tcp',
      '-auth',
      authority,
      '-noreset',
      '-s',
      '0',
    ],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] },
  );
  const display = await displayOf(server);
  const env = { ...environment(), DISPLAY: display, XAUTHORITY: authority };
  const manager = await firstOf(WINDOW_MANAGERS);
  const managing = manager === undefined ? undefined : start(manager, [], { stdio: 'ignore', env });
  managing?.on('error', () => undefined);
  return {
    display,
    environment: { ...QUIET, XAUTHORITY: authority },
    onEnd: (heard) => void server.once('exit', heard),
    close: async () => {
      await ended(managing);
      server.removeAllListeners('exit');
      await ended(server);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Kills a process, and sees it gone. */
async function ended(child: ChildProcess | undefined): Promise<void> {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

type Start = (program: string, args: readonly string[], options: Parameters<typeof spawn>[2]) => ChildProcess;

function displayOf(server: ChildProcess): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const failed = (why: string) => reject(new SettingsError(`Xvfb ${why}`));
  const late = setTimeout(() => {
    server.kill('SIGKILL');
    failed('did not come up');
  }, START_MS);
  let said = '';
  server.stdio[3]!.on('data', (bytes: Buffer) => {
    said += String(bytes);
    if (said.endsWith('\n')) resolve(`:${said.trim()}`);
  });
  server.once('exit', () => failed('ended at once'));
  server.once('error', () => failed('could not be started'));
  return promise.finally(() => clearTimeout(late));
}

/** One entry of an Xauthority file: family, address, number of the display, name and value of the cookie. */
function authorityEntry(): Buffer {
  const counted = (bytes: Buffer): Buffer => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const family = Buffer.alloc(2);
  family.writeUInt16BE(FAMILY_WILD);
  const none = Buffer.alloc(0);
  return Buffer.concat([family, ...[none, none, Buffer.from(COOKIE), randomBytes(16)].map(counted)]);
}

async function firstOf(programs: readonly string[]): Promise<string | undefined> {
  for (const program of programs) {
    const found = await findProgram(program);
    if (found !== undefined) return found;
  }
  return undefined;
}
