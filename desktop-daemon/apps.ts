import { spawn } from 'node:child_process';
import { access, constants, stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { inherited } from './environment.js';
import { DeskError } from './errors.js';

/** An application that may be started: the program, and the arguments that always come first. */
export interface App {
  readonly command: string;
  readonly args: readonly string[];
}

export interface Apps {
  readonly names: readonly string[];
  /** Starts one of them; answers its process id. */
  launch(name: string, args: readonly string[]): Promise<number>;
  /** Opens a file with one of them, or with what the desktop opens such files with, if that is allowed. */
  open(path: string, name: string | undefined): Promise<number>;
}

/** What a program that cannot start takes to say so. */
const EARLY_EXIT_MS = 250;
/** The desktop's own way to open a file. */
const OPENER = process.platform === 'darwin' ? 'open' : 'xdg-open';
/** What a started program gets of the daemon's environment. */
const INHERITED = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'TERM',
  'XAUTHORITY',
  'LANG',
  'LANGUAGE',
  'LC_ALL',
  'LC_CTYPE',
  'TZ',
  'TMPDIR',
  'DBUS_SESSION_BUS_ADDRESS',
  'NO_AT_BRIDGE',
  'GSETTINGS_BACKEND',
  'GIO_USE_VFS',
  'XDG_RUNTIME_DIR',
  'XDG_CONFIG_HOME',
  'XDG_DATA_HOME',
  'XDG_DATA_DIRS',
  'XDG_CURRENT_DESKTOP',
  'SystemRoot',
];

/** `name` or `name=command argument …`. Throws a RangeError for anything else. */
export function parseApp(text: string): [string, App] {
  const [, name, line] = /^([A-Za-z0-9][\w.-]{0,99})(?:=(.+))?$/s.exec(text) ?? [];
  if (name === undefined) throw new RangeError(`--app ${text}: expected name or name=command`);
  const [command = name, ...args] = (line ?? name).split(/\s+/).filter(Boolean);
  return [name, { command, args }];
}

export function createApps(allowed: ReadonlyMap<string, App>, display: string | undefined): Apps {
  const names = [...allowed.keys()].sort();

  function find(name: string): App {
    const app = allowed.get(name);
    if (app) return app;
    const there = names.length > 0 ? `; there are: ${names.join(', ')}` : '';
    throw new DeskError(
      'app-not-allowed',
      `${JSON.stringify(name)} is not on the list of applications${there}`,
    );
  }

  async function launch(name: string, args: readonly string[]): Promise<number> {
    const app = find(name);
    // An option can make a program do anything at all; a word or a path it works on.
    if (args.some((arg) => arg.startsWith('-') || arg.includes('\0')))
      throw new DeskError('bad-argument', 'an argument is a word or a path, and no option');
    return start(name, app.command, [...app.args, ...args], display);
  }

  return {
    names,
    launch,
    open: async (path, name) => {
      if (!isAbsolute(path) || path.includes('\0'))
        throw new DeskError('bad-argument', 'the path of a file to open is absolute');
      const facts = await stat(path).catch(() => undefined);
      if (!facts) throw new DeskError('file-not-found', 'there is no such file');
      if (name === undefined && (await isProgram(path, facts.isFile())))
        throw new DeskError('app-not-allowed', 'a program is not opened, but launched by its name');
      return launch(name ?? OPENER, [path]);
    },
  };
}

/** Whether opening it would run it. */
async function isProgram(path: string, isFile: boolean): Promise<boolean> {
  if (/\.(desktop|sh|bash|py|pl|rb|js|jar|exe|bat|cmd|ps1|app|appimage|run)$/i.test(path)) return true;
  const runs = await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
  return isFile && runs;
}

function start(
  name: string,
  command: string,
  args: readonly string[],
  display: string | undefined,
): Promise<number> {
  const env = { ...inherited(INHERITED), ...(display !== undefined && { DISPLAY: display }) };
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { detached: true, stdio: 'ignore', env });
    const failed = (why: string) => reject(new DeskError('app-failed', `${name} ${why}`, false));
    child.once('error', (error: NodeJS.ErrnoException) =>
      failed(error.code === 'ENOENT' ? 'is not installed' : `cannot be started (${error.code})`),
    );
    child.once('exit', (code) => {
      // Some programs hand over to one that runs already, and end well.
      if (code !== 0 && code !== null) failed(`ended at once with code ${code}`);
    });
    setTimeout(() => resolve(child.pid!), EARLY_EXIT_MS);
    child.unref();
  });
}
