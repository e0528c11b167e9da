import { readFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { z } from 'zod';

const list = z
  .string()
  .default('')
  .transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean),
  );
const flag = z
  .enum(['true', 'false', '1', '0', ''])
  .default('false')
  .transform((text) => text === 'true' || text === '1');
const whole = (minimum: number, maximum: number, preset: number) =>
  z
    .string()
    .regex(/^\d+$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.int().min(minimum).max(maximum))
    .default(preset);
/** Protections that a test may switch off, to see that something notices. */
const BREAKS = ['no-fencing', 'no-intent', 'no-conflict-check', 'no-hash'] as const;
export type Break = (typeof BREAKS)[number];
const ROLES = ['gateway', 'worker', 'projector'] as const;

/** Every setting, with what it is for. The README's table and `.env.example` are checked against this. */
export const configSchema = z.object({
  NATS_URL: z
    .url({ protocol: /^(nats|tls|wss?)$/ })
    .optional()
    .describe('JetStream to use instead of the embedded server'),
  NATS_TOKEN: z.string().optional().describe('token for NATS_URL'),
  SKYAGENT_HOME: z
    .string()
    .min(1)
    .default('.skyagent')
    .describe('folder of the embedded server, the read models and fetched programs'),
  AGENT_FS_ROOT: z.string().min(1).default('agentfs').describe('folder that holds every run’s files'),
  SKYAGENT_HOST: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('address to listen on; another than loopback needs API keys'),
  SKYAGENT_PORT: whole(0, 65_535, 8787).describe('port to listen on; 0 takes a free one'),
  SKYAGENT_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('server that the command line talks to'),
  SKYAGENT_API_KEYS: list.describe('keys that clients must send as bearer token, comma-separated'),
  SKYAGENT_ALLOWED_ORIGINS: list.describe('origins of web pages that may call the HTTP API, comma-separated'),
  SKYAGENT_ROLES: list
    .pipe(z.array(z.enum(ROLES)))
    .transform((roles) => (roles.length > 0 ? roles : [...ROLES]))
    .describe('what this process does: gateway, worker, projector (default: all three)'),
  SKYAGENT_ALLOW_HOSTS: list.describe('loopback or private hosts that agents may open, comma-separated'),
  SKYAGENT_DRY_RUN: flag.describe('simulate every mission: no driver acts, every event is marked'),
  SKYAGENT_CHROMIUM: z.string().min(1).optional().describe('browser to drive, instead of the one found'),
  SKYVERN_BASE_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('a Skyvern for `browser.task`: https://api.skyvern.com, or where one of your own listens'),
  SKYVERN_API_PATH: z.string().default('/v1').describe('path of Skyvern’s API below SKYVERN_BASE_URL'),
  SKYVERN_API_KEY: z.string().min(1).optional().describe('key for Skyvern, sent as x-api-key'),
  SKYVERN_WEBHOOK_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('address of this server’s /hooks/skyvern as Skyvern reaches it; without it Skyvern is polled'),
  SKYAGENT_DESKTOP: z
    .enum(['auto', 'off'])
    .default('auto')
    .describe(
      'auto: steps that find no desktop get one on this machine, on its display or a virtual one; off: they wait',
    ),
  SKYAGENT_DESKTOP_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('a computer-use daemon to use, such as http://127.0.0.1:9990'),
  SKYAGENT_DESKTOP_TOKEN_FILE: z
    .string()
    .min(1)
    .optional()
    .describe('file with the token of SKYAGENT_DESKTOP_URL (default: desktop/token in SKYAGENT_HOME)'),
  SKYAGENT_DESKTOP_APPS: list.describe(
    'programs that missions may start on the desktop of this machine, as name or name=command, comma-separated',
  ),
  SKYAGENT_DESKTOP_FOLDERS: list.describe(
    'folders that missions may look into on the desktop of this machine, comma-separated',
  ),
  SKYAGENT_PARTITIONS: whole(1, 64, 8).describe('streams the runs of a new deployment are spread over'),
  SKYAGENT_REPLICAS: whole(1, 5, 1).describe('copies of each stream in a JetStream cluster'),
  SKYAGENT_DURABILITY: z
    .enum(['strict', 'sync-always', 'relaxed'])
    .default('strict')
    .describe(
      'strict: embedded server or ≥ 3 replicas; sync-always: you vouch for the server’s fsync; relaxed: a power cut may lose what was acknowledged',
    ),
  SKYAGENT_MAX_STREAM_BYTES: whole(1_048_576, Number.MAX_SAFE_INTEGER, 8_589_934_592).describe(
    'size at which a partition refuses new events',
  ),
  SKYAGENT_MAX_RUNS: whole(1, 10_000, 256).describe('runs one worker owns at a time'),
  SKYAGENT_LEASE_MS: whole(500, 60_000, 5000).describe(
    'after how many milliseconds without a heartbeat a run gets another owner',
  ),
  SKYAGENT_MCP_SERVERS: z
    .string()
    .min(1)
    .optional()
    .describe('JSON file with the MCP servers that missions may use, in the `mcpServers` form'),
  SKYAGENT_RUN_MAX_BYTES: whole(1, Number.MAX_SAFE_INTEGER, 2_147_483_648).describe(
    'bytes that the files of one run may have together',
  ),
  SKYAGENT_RUN_MAX_FILES: whole(1, 1_000_000, 20_000).describe('files that one run may have'),
  SKYAGENT_STEP_TIMEOUT_MS: whole(1, 86_400_000, 300_000).describe(
    'time-out of a step attempt that names none, in milliseconds',
  ),
  SKYAGENT_BREAK: list
    .pipe(z.array(z.enum(BREAKS)))
    .describe('for tests alone (NODE_ENV=test): protections to switch off, to see that something notices'),
});
export type Settings = z.infer<typeof configSchema>;
export type Role = (typeof ROLES)[number];

/** All settings, with folders made absolute. */
export interface Config extends Settings {
  readonly home: string;
  readonly agentFsRoot: string;
  readonly mcpServersFile: string | undefined;
  /** File with the token of the daemon that SKYAGENT_DESKTOP_URL names. */
  readonly desktopTokenFile: string;
  /** NODE_ENV is `test`: protections may be switched off, and there is a tool whose acts a test can count. */
  readonly underTest: boolean;
}

/** Settings that cannot be used; `problems` names each one. */
export class ConfigError extends Error {
  readonly code = 'bad-config';
  constructor(readonly problems: readonly string[]) {
    super(`the configuration cannot be used:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/** Reads `.env` in the working folder, then the environment, which wins. The only reader of `process.env`. */
export function loadConfig(environment: NodeJS.ProcessEnv = process.env, folder = process.cwd()): Config {
  return parseConfig({ ...readEnvFile(join(folder, '.env')), ...environment }, folder);
}

export function parseConfig(environment: NodeJS.ProcessEnv, folder = process.cwd()): Config {
  const problems = unknownSettings(environment);
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = configSchema.safeParse(given);
  if (!parsed.success) {
    problems.push(
      ...parsed.error.issues.map((issue) => `${issue.path.join('.') || 'settings'}: ${issue.message}`),
    );
  }
  const underTest = environment.NODE_ENV === 'test';
  if (parsed.success && parsed.data.SKYAGENT_BREAK.length > 0 && !underTest)
    problems.push('SKYAGENT_BREAK: switches protections off and is for tests alone; remove it');
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  const settings = parsed.data;
  return {
    ...settings,
    home: resolve(folder, settings.SKYAGENT_HOME),
    agentFsRoot: resolve(folder, settings.AGENT_FS_ROOT),
    mcpServersFile: settings.SKYAGENT_MCP_SERVERS && resolve(folder, settings.SKYAGENT_MCP_SERVERS),
    desktopTokenFile: resolve(
      folder,
      settings.SKYAGENT_DESKTOP_TOKEN_FILE ?? join(settings.SKYAGENT_HOME, 'desktop', 'token'),
    ),
    underTest,
  };
}

function unknownSettings(environment: NodeJS.ProcessEnv): string[] {
  return Object.keys(environment)
    .filter((name) => name.startsWith('SKYAGENT_') && !(name in configSchema.shape))
    .map((name) => `${name}: no such setting; see the table in README.md`);
}

const LINE = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/;

/** `NAME=value` lines, `#` comments, optional quotes. A line that is neither names itself by number, never by content. */
export function parseEnvFile(text: string, file = '.env'): Record<string, string> {
  const settings: Record<string, string> = {};
  const problems: string[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const [, name, value] = LINE.exec(line) ?? [];
    if (name === undefined || value === undefined || line.includes('\0')) {
      problems.push(
        `${file} line ${index + 1}: expected NAME=value or a # comment; correct or remove the line`,
      );
    } else {
      settings[name] = unquote(value);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return settings;
}

function unquote(value: string): string {
  const [, quoted] =
    /^(?:"([^"]*)"|'([^']*)')\s*(?:#.*)?$/.exec(value)?.filter((part) => part !== undefined) ?? [];
  return quoted ?? value.replace(/(^|\s+)#.*$/, '');
}

function readEnvFile(file: string): Record<string, string> {
  try {
    return parseEnvFile(readFileSync(file, 'utf8'), file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    if (error instanceof ConfigError) throw error;
    throw new ConfigError([
      `${file}: cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`,
    ]);
  }
}

/** The folders of PATH. */
export const searchPath = (): string[] => (process.env.PATH ?? '').split(delimiter).filter(Boolean);

/** The named variables of this process that are set, for a child that must not inherit the others. */
export const environmentOf = (names: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );

/** All variables of this process, for a child that is this process in another form. */
export const wholeEnvironment = (): Record<string, string> => environmentOf(Object.keys(process.env));

/** Sets a variable that a library reads when it is imported, unless a person has set it. */
export function presetEnvironment(name: string, value: string): void {
  process.env[name] ??= value;
}
