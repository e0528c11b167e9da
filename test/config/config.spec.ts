import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConfigError, configSchema, loadConfig, parseConfig, parseEnvFile } from '../../src/config.js';
import { packageRoot } from '../../src/setup/package-root.js';
import { removeFolder, tempFolder } from '../support/temp.js';

const problemsOf = (work: () => unknown): readonly string[] => {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).problems;
  }
  return [];
};

describe('the configuration', () => {
  it('needs nothing to be set', () => {
    expect(parseConfig({}, '/srv')).toEqual({
      SKYVERN_API_PATH: '/v1',
      SKYAGENT_HOME: '.skyagent',
      AGENT_FS_ROOT: 'agentfs',
      SKYAGENT_HOST: '127.0.0.1',
      SKYAGENT_PORT: 8787,
      SKYAGENT_API_KEYS: [],
      SKYAGENT_ALLOWED_ORIGINS: [],
      SKYAGENT_ROLES: ['gateway', 'worker', 'projector'],
      SKYAGENT_ALLOW_HOSTS: [],
      SKYAGENT_BREAK: [],
      SKYAGENT_DESKTOP: 'auto',
      SKYAGENT_DESKTOP_APPS: [],
      SKYAGENT_DESKTOP_FOLDERS: [],
      SKYAGENT_DRY_RUN: false,
      SKYAGENT_PARTITIONS: 8,
      SKYAGENT_REPLICAS: 1,
      SKYAGENT_DURABILITY: 'strict',
      SKYAGENT_MAX_STREAM_BYTES: 8_589_934_592,
      SKYAGENT_MAX_RUNS: 256,
      SKYAGENT_LEASE_MS: 5000,
      SKYAGENT_RUN_MAX_BYTES: 2_147_483_648,
      SKYAGENT_RUN_MAX_FILES: 20_000,
      SKYAGENT_STEP_TIMEOUT_MS: 300_000,
      home: '/srv/.skyagent',
      mcpServersFile: undefined,
      desktopTokenFile: '/srv/.skyagent/desktop/token',
      agentFsRoot: '/srv/agentfs',
      underTest: false,
    });
  });

  it('takes lists with commas, flags, numbers, and folders that are absolute already', () => {
    const config = parseConfig(
      {
        SKYAGENT_API_KEYS: ' one, two ,,',
        SKYAGENT_ROLES: 'worker',
        SKYAGENT_DRY_RUN: '1',
        SKYAGENT_PORT: '0',
        SKYAGENT_HOME: '/var/lib/skyagent',
        NATS_URL: 'nats://10.0.0.1:4222',
      },
      '/srv',
    );
    expect(config).toMatchObject({
      SKYAGENT_API_KEYS: ['one', 'two'],
      SKYAGENT_ROLES: ['worker'],
      SKYAGENT_DRY_RUN: true,
      SKYAGENT_PORT: 0,
      NATS_URL: 'nats://10.0.0.1:4222',
      home: '/var/lib/skyagent',
    });
  });

  it('takes an empty value for one that was not given', () => {
    expect(parseConfig({ SKYAGENT_PORT: '', NATS_URL: '', SKYAGENT_ROLES: '' })).toMatchObject({
      SKYAGENT_PORT: 8787,
      SKYAGENT_ROLES: ['gateway', 'worker', 'projector'],
    });
  });

  it('names every problem at once, and no value', () => {
    const secret = 'hunter2';
    const problems = problemsOf(() =>
      parseConfig({
        SKYAGENT_PORT: secret,
        SKYAGENT_LEASE_MS: '100',
        NATS_URL: `http://${secret}`,
        SKYAGENT_ROLES: secret,
        SKYAGENT_PROT: '1',
      }),
    );
    expect(problems.map((problem) => problem.split(/[.:]/)[0])).toEqual([
      'SKYAGENT_PROT',
      'NATS_URL',
      'SKYAGENT_PORT',
      'SKYAGENT_ROLES',
      'SKYAGENT_LEASE_MS',
    ]);
    expect(problems).toContain('SKYAGENT_PORT: expected a whole number');
    expect(problems).toContain('SKYAGENT_PROT: no such setting; see the table in README.md');
    expect(problems.join('\n')).not.toContain(secret);
  });

  it.each(['-1', '1.5', '1e3', '0x10', ' 80', '65536', 'eighty'])('refuses %j as a port', (port) => {
    expect(problemsOf(() => parseConfig({ SKYAGENT_PORT: port }))).toHaveLength(1);
  });

  it('does not mind variables of other programs', () => {
    expect(problemsOf(() => parseConfig({ PATH: '/bin', SKY: '1', npm_config_x: 'y' }))).toEqual([]);
  });
});

describe('a .env file', () => {
  it('holds names and values, comments, and quotes', () => {
    const text = [
      '# a comment',
      '',
      'A=1',
      'export B = two words ',
      'C="quoted # not a comment" # a comment',
      "D='single'",
      'E=value # a comment',
      'F=',
      'G= # only a comment',
      'H=a#b',
      'I=""',
    ].join('\r\n');
    expect(parseEnvFile(text)).toEqual({
      A: '1',
      B: 'two words',
      C: 'quoted # not a comment',
      D: 'single',
      E: 'value',
      F: '',
      G: '',
      H: 'a#b',
      I: '',
    });
  });

  it('names each line that is none by its number, never by what it holds', () => {
    const text = ['A=1', 'hunter2', '1B=hunter2', 'C=1', 'D=hun\0ter2'].join('\n');
    const problems = problemsOf(() => parseEnvFile(text));
    expect(problems).toEqual([
      '.env line 2: expected NAME=value or a # comment; correct or remove the line',
      '.env line 3: expected NAME=value or a # comment; correct or remove the line',
      '.env line 5: expected NAME=value or a # comment; correct or remove the line',
    ]);
  });
});

describe('what is loaded', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await tempFolder();
  });
  afterEach(() => removeFolder(folder));

  it('is .env in the folder, and the environment wins over it', async () => {
    await writeFile(join(folder, '.env'), 'SKYAGENT_PORT=1111\nSKYAGENT_MAX_RUNS=7\n');
    expect(loadConfig({ SKYAGENT_PORT: '2222' }, folder)).toMatchObject({
      SKYAGENT_PORT: 2222,
      SKYAGENT_MAX_RUNS: 7,
    });
  });

  it('is the environment alone when there is no .env', () => {
    expect(loadConfig({ SKYAGENT_PORT: '2222' }, folder)).toMatchObject({
      SKYAGENT_PORT: 2222,
      SKYAGENT_MAX_RUNS: 256,
    });
  });

  it('is refused when .env cannot be read', async () => {
    await mkdir(join(folder, '.env'));
    expect(problemsOf(() => loadConfig({}, folder))).toEqual([
      `${join(folder, '.env')}: cannot be read (EISDIR)`,
    ]);
  });

  it('is refused when .env names a setting there is not', async () => {
    await writeFile(join(folder, '.env'), 'SKYAGENT_PROT=1\n');
    expect(problemsOf(() => loadConfig({}, folder))).toEqual([
      'SKYAGENT_PROT: no such setting; see the table in README.md',
    ]);
  });
});

describe('switching protections off', () => {
  it('is for tests alone', () => {
    expect(() => parseConfig({ SKYAGENT_BREAK: 'no-hash' }, '/srv')).toThrow(/SKYAGENT_BREAK: .*tests alone/);
    const broken = parseConfig({ SKYAGENT_BREAK: 'no-hash,no-intent', NODE_ENV: 'test' }, '/srv');
    expect(broken.SKYAGENT_BREAK).toEqual(['no-hash', 'no-intent']);
    expect([broken.underTest, parseConfig({}, '/srv').underTest]).toEqual([true, false]);
    expect(() => parseConfig({ SKYAGENT_BREAK: 'all', NODE_ENV: 'test' }, '/srv')).toThrow(/SKYAGENT_BREAK/);
  });
});

describe('.env.example', () => {
  const text = readFileSync(join(packageRoot, '.env.example'), 'utf8');
  const NAMES = /^#?([A-Z][A-Z0-9_]*)=/gm;

  it('can be used as it is, and changes nothing', () => {
    expect(parseConfig(parseEnvFile(text), '/srv')).toEqual(parseConfig({}, '/srv'));
  });

  it('shows values that can be used, also where they are commented out', () => {
    const uncommented = text.replace(/^#(?=[A-Z][A-Z0-9_]*=)/gm, '');
    expect(problemsOf(() => parseConfig(parseEnvFile(uncommented)))).toEqual([]);
  });

  it('mentions every setting once, each under a comment', () => {
    const names = Array.from(text.matchAll(NAMES), ([, name]) => name!);
    expect(names.toSorted()).toEqual(Object.keys(configSchema.shape).toSorted());
    const lines = text.split('\n');
    const bare = lines.filter(
      (line, at) => /^#?[A-Z][A-Z0-9_]*=/.test(line) && !lines[at - 1]!.startsWith('#'),
    );
    expect(bare).toEqual([]);
  });
});

describe('the environment', () => {
  it('is read in config.ts and nowhere else', () => {
    const files = ['src', 'events', 'machines', 'desktop-daemon'].flatMap((folder) =>
      readdirSync(join(packageRoot, folder), { recursive: true, encoding: 'utf8' }).map((name) =>
        join(folder, name),
      ),
    );
    const sources = files.filter((name) => /\.(ts|js|mjs|cjs)$/.test(name));
    expect(sources.length).toBeGreaterThan(100);
    const readers = sources.filter((name) =>
      /process\s*(\.|\?\.|\[['"])\s*env\b/.test(readFileSync(join(packageRoot, name), 'utf8')),
    );
    expect(readers.toSorted()).toEqual([
      'desktop-daemon/environment.ts',
      'src/config.ts',
      'src/setup/install-desktop.mjs',
      'src/setup/prepare.mjs',
    ]);
  });
});
