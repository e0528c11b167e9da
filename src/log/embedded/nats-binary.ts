import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, chmod, constants, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import semver from 'semver';
import { searchPath } from '../../config.js';
import { provisionFromDebian } from './nats-from-debian.js';

const run = promisify(execFile);

/** The per-run expectation (`Expected-Last-Subject-Sequence-Subject`) needs this server or a newer one. */
export const MIN_NATS_VERSION = '2.12.0';

/** The official archive, by platform, with the SHA-256 its publisher states. */
const RELEASE = {
  version: '2.12.5-RC.1',
  archives: {
    'linux-x64': {
      name: 'linux-amd64',
      sha256: '87873fd10720c4c3884e4c068ae9a7d001ed547a94857b165ba0c25a6efd3f42',
    },
    'linux-arm64': {
      name: 'linux-arm64',
      sha256: '2db1744612c8423c0941cf2e5ba102361b716b2377d3f4f2d4aa68b27f90343d',
    },
  } as Record<string, { name: string; sha256: string }>,
};
const DOWNLOAD_TIMEOUT_MS = 60_000;

/** No usable nats-server could be had; `tried` says what was done and how each way ended. */
export class NoNatsServerError extends Error {
  readonly code = 'no-nats-server';
  constructor(readonly tried: readonly string[]) {
    super(
      `no nats-server ≥ ${MIN_NATS_VERSION} could be found or fetched:\n` +
        tried.map((line) => `  - ${line}`).join('\n') +
        '\nPut one on PATH, or point NATS_URL at a running server.',
    );
    this.name = 'NoNatsServerError';
  }
}

/** A nats-server to start: from PATH, else from `<home>/bin`, else fetched once into `<home>/bin`. */
export async function findNatsServer(
  home: string,
  onProgress: (line: string) => void = () => undefined,
): Promise<string> {
  const tried: string[] = [];
  const installed = await findInstalledNatsServer(home, tried);
  if (installed) return installed;
  const target = join(home, 'bin', 'nats-server');
  await mkdir(join(home, 'bin'), { recursive: true });
  for (const [name, provision] of [
    ['the official release', provisionFromRelease],
    ['the Debian archive', provisionFromDebian],
  ] as const) {
    onProgress(`fetching nats-server from ${name}`);
    const failure = await attempt(provision, target);
    if (failure === undefined) return target;
    tried.push(`${name}: ${failure}`);
  }
  throw new NoNatsServerError(tried);
}

/** The same without fetching anything; `unusable` gets a line for each program that cannot be used. */
export async function findInstalledNatsServer(
  home: string,
  unusable: string[] = [],
): Promise<string | undefined> {
  for (const path of [...onPath('nats-server'), join(home, 'bin', 'nats-server')]) {
    const verdict = await usable(path);
    if (verdict === true) return path;
    if (verdict !== undefined) unusable.push(verdict);
  }
  return undefined;
}

export async function natsServerVersion(path: string): Promise<string> {
  const { stdout } = await run(path, ['--version']);
  return semver.coerce(stdout)?.version ?? '0.0.0';
}

const onPath = (name: string): string[] => searchPath().map((folder) => join(folder, name));

/** True, or why not; nothing when there is no such program. */
async function usable(path: string): Promise<true | string | undefined> {
  try {
    await access(path, constants.X_OK);
  } catch {
    return undefined;
  }
  try {
    const version = await natsServerVersion(path);
    return semver.gte(version, MIN_NATS_VERSION) || `${path} is version ${version}`;
  } catch (error) {
    return `${path} does not run: ${(error as Error).message}`;
  }
}

async function attempt(
  provision: (scratch: string) => Promise<string>,
  target: string,
): Promise<string | undefined> {
  const scratch = await mkdtemp(join(tmpdir(), 'skyagent-nats-'));
  try {
    const binary = await provision(scratch);
    const verdict = await usable(binary);
    if (verdict !== true) return verdict ?? 'the archive held no program';
    await install(binary, target);
    return undefined;
  } catch (error) {
    return (error as Error).message.trim();
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Copies beside the target first: a rename over it is atomic, and two commands may do this at once. */
async function install(binary: string, target: string): Promise<void> {
  const temporary = `${target}.${process.pid}`;
  await run('cp', [binary, temporary]);
  await chmod(temporary, 0o755);
  await rename(temporary, target);
}

async function provisionFromRelease(scratch: string): Promise<string> {
  const archive = RELEASE.archives[`${process.platform}-${process.arch}`];
  if (!archive) throw new Error(`no archive is pinned for ${process.platform}-${process.arch}`);
  const folder = `nats-server-v${RELEASE.version}-${archive.name}`;
  const url = `https://github.com/nats-io/nats-server/releases/download/v${RELEASE.version}/${folder}.tar.gz`;
  const response = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) }).catch(
    (error: unknown) => {
      throw new Error('cannot be downloaded from here', { cause: error });
    },
  );
  if (!response.ok) throw new Error(`the download answered ${response.status}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const digest = createHash('sha256').update(bytes).digest('hex');
  if (digest !== archive.sha256)
    throw new Error(`the archive has SHA-256 ${digest}, not the pinned ${archive.sha256}`);
  const file = join(scratch, 'nats-server.tar.gz');
  await writeFile(file, bytes);
  await run('tar', ['-xzf', file, '-C', scratch]);
  return join(scratch, folder, 'nats-server');
}
