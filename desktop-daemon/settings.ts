import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { desktopNameSchema } from '#events/desktop.js';
import { parseApp, type App } from './apps.js';
import type { NatsAddress } from './dial-out.js';
import { canonicalKey } from './keys.js';

/** What a daemon is told when it is started. */
export interface Settings {
  readonly host: string;
  readonly port: number;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly apps: ReadonlyMap<string, App>;
  /** Folders that missions may look into. */
  readonly folders: readonly string[];
  /** X display; nothing, where there is no X11. */
  readonly display: string | undefined;
  /** Size of a screen of its own, such as `1280x800`. */
  readonly virtual: string | undefined;
  readonly hotkey: string;
  readonly tokenFile: string;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly leaseMs: number;
  readonly quietMs: number;
  /** Where the daemon dials out to; nothing, when it waits to be asked over HTTP alone. */
  readonly nats: (() => Promise<NatsAddress>) | undefined;
  /** Standard output says in JSON what the daemon is. */
  readonly json: boolean;
  /** What is asked of a daemon that runs already, instead of starting one. */
  readonly ask: 'handback' | 'stop' | 'status' | undefined;
  /** It stops when its standard input ends: whoever started it is gone. */
  readonly endsWithStdin: boolean;
}

/** Settings that cannot be used, in words for the person who started the daemon. */
export class SettingsError extends Error {
  readonly code = 'bad-settings';
  constructor(message: string) {
    super(message);
    this.name = 'SettingsError';
  }
}

export const HELP = `Usage: skyagent desktop-daemon [options]
       skyagent desktop-daemon handback | stop | status   asks the one that runs on this machine

Lets SkyAgentOS see this desktop and use its mouse and keyboard: over HTTP on this machine, and, with
NATS_URL, by dialling out to the NATS server of a SkyAgentOS, so that no port needs to be open.

  --name <name>          what this desktop is called (default: the name of the machine)
  --label <k=v>          a label that missions may ask for (may be repeated)
  --app <name[=command]> an application that missions may start (may be repeated)
  --folder <path>        a folder that missions may look into: names, sizes, digests (may be repeated)
  --display <display>    X display (default: DISPLAY)
  --virtual <WxH>        a screen of its own (Xvfb), where there is none, e.g. 1280x800
  --port <n>             port of HTTP (default: 9990; 0 takes a free one)
  --host <address>       address to listen on (default: 127.0.0.1); another one needs TLS, or --insecure
  --tls-cert <file>      certificate for HTTPS
  --tls-key <file>       its key
  --insecure             listen on another address without TLS: token and screen go over the wire as they are
  --token-file <file>    the bearer token, made if there is none (default: .skyagent/desktop/token)
  --nats-file <file>     where the NATS server of a home is: .skyagent/nats/server.json (instead of NATS_URL)
  --stop-hotkey <keys>   the chord of the kill switch (default: ctrl+alt+shift+s); the top left corner is one too
  --quiet-ms <n>         how long a person must have been still before a run may begin (default: 3000)
  --lease-ms <n>         how long a run keeps the desktop without a word (default: 30000)
  --json                 print one line of JSON when it is up
  --ends-with-stdin      stop when standard input ends, for whoever starts it as a child
`;

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '::1']);
const text = { type: 'string' } as const;
const list = { type: 'string', multiple: true } as const;
const flag = { type: 'boolean' } as const;
const OPTIONS = {
  name: text,
  label: list,
  app: list,
  folder: list,
  display: text,
  virtual: text,
  port: text,
  host: text,
  'tls-cert': text,
  'tls-key': text,
  insecure: flag,
  'token-file': text,
  'stop-hotkey': text,
  'nats-file': text,
  'quiet-ms': text,
  'lease-ms': text,
  json: flag,
  'ends-with-stdin': flag,
  help: flag,
} as const;

/** Reads the command line and the environment; undefined when only help is wanted. */
export function readSettings(args: readonly string[], environment: NodeJS.ProcessEnv): Settings | undefined {
  const { values: given, positionals } = parsed(args);
  if (given.help) return undefined;
  return {
    ...listenOf(given),
    ...limitsOf(given),
    name: nameOf(given.name ?? hostname()),
    labels: Object.fromEntries((given.label ?? []).map(labelOf)),
    apps: appsOf(given.app ?? []),
    folders: (given.folder ?? []).map((folder) => resolve(folder)),
    display: displayOf(given.display, environment),
    virtual: virtualOf(given.virtual),
    hotkey: hotkeyOf(given['stop-hotkey'] ?? 'ctrl+alt+shift+s'),
    tokenFile: resolve(
      given['token-file'] ?? join(environment.SKYAGENT_HOME || '.skyagent', 'desktop', 'token'),
    ),
    nats: natsOf(given['nats-file'], environment),
    json: given.json === true,
    ask: askOf(positionals),
    endsWithStdin: given['ends-with-stdin'] === true,
  };
}

type Given = ReturnType<typeof parsed>['values'];

function askOf([first, ...more]: readonly string[]): Settings['ask'] {
  if (first === undefined) return undefined;
  if (more.length === 0 && (first === 'handback' || first === 'stop' || first === 'status')) return first;
  throw new SettingsError(`${first}: expected handback, stop or status`);
}

function listenOf(given: Given): Pick<Settings, 'host' | 'port' | 'tls'> {
  const { host = '127.0.0.1', port = '9990' } = given;
  const tls = tlsOf(given['tls-cert'], given['tls-key']);
  if (!LOOPBACK.has(host) && !tls && !given.insecure)
    throw new SettingsError(
      `--host ${host}: others could read the token and the screen on the way; give --tls-cert and --tls-key, or --insecure if you mean it`,
    );
  return { host, tls, port: whole('--port', port, 65_535) };
}

const limitsOf = (given: Given): Pick<Settings, 'leaseMs' | 'quietMs'> => ({
  leaseMs: whole('--lease-ms', given['lease-ms'] ?? '30000', 3_600_000),
  quietMs: whole('--quiet-ms', given['quiet-ms'] ?? '3000', 3_600_000),
});

const displayOf = (given: string | undefined, environment: NodeJS.ProcessEnv): string | undefined =>
  process.platform === 'linux' ? (given ?? environment.DISPLAY ?? '') : undefined;

function virtualOf(size: string | undefined): string | undefined {
  if (size === undefined || /^[1-9]\d{2,3}x[1-9]\d{2,3}$/.test(size)) return size;
  throw new SettingsError(`--virtual ${size}: expected width and height, such as 1280x800`);
}

/** The server that the environment names, or the one whose keeper says in a file where it is. */
function natsOf(file: string | undefined, environment: NodeJS.ProcessEnv): Settings['nats'] {
  const { NATS_URL: url, NATS_TOKEN: token } = environment;
  if (file !== undefined)
    return async () => {
      const { natsPort, token } = JSON.parse(await readFile(file, 'utf8')) as {
        natsPort: number;
        token: string;
      };
      return { url: `nats://127.0.0.1:${natsPort}`, token };
    };
  return url ? () => Promise.resolve({ url, token: token || undefined }) : undefined;
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new SettingsError((error as Error).message);
  }
}

function nameOf(name: string): string {
  const known = desktopNameSchema.safeParse(name.replaceAll('.', '-'));
  if (known.success) return known.data;
  throw new SettingsError(`--name ${name}: expected letters, digits, - or _`);
}

function labelOf(label: string): [string, string] {
  const [, key, value] = /^([A-Za-z0-9_.-]+)=(.*)$/s.exec(label) ?? [];
  if (key === undefined || value === undefined) throw new SettingsError(`--label ${label}: expected k=v`);
  return [key, value];
}

function appsOf(texts: readonly string[]): Map<string, App> {
  try {
    return new Map(texts.map(parseApp));
  } catch (error) {
    throw new SettingsError((error as Error).message);
  }
}

function hotkeyOf(chord: string): string {
  try {
    return chord.split('+').map(canonicalKey).join('+');
  } catch {
    throw new SettingsError(`--stop-hotkey ${chord}: expected keys with + between them`);
  }
}

function tlsOf(certFile: string | undefined, keyFile: string | undefined): Settings['tls'] {
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined)
    throw new SettingsError('--tls-cert and --tls-key belong together');
  return { certFile, keyFile };
}

function whole(option: string, given: string, most: number): number {
  const number = Number(given);
  if (/^\d+$/.test(given) && number <= most) return number;
  throw new SettingsError(`${option} ${given}: expected a whole number up to ${most}`);
}
