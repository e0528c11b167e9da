import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../../src/setup/package-root.js';

/** A working folder of its own, with the nats-server of the package in its home, so that nothing is fetched. */
export interface TestHome {
  readonly folder: string;
  /** `<folder>/.skyagent` */
  readonly home: string;
  /** Waits for the embedded server to go away with its last user, then removes everything. */
  remove(): Promise<void>;
}

/** How long a test waits for something that must come, before it gives up. */
export const GUARD_MS = 30_000;

export async function makeHome(): Promise<TestHome> {
  const folder = await mkdtemp(join(tmpdir(), 'skyagent-server-'));
  const home = join(folder, '.skyagent');
  await mkdir(join(home, 'bin'), { recursive: true });
  await symlink(join(packageRoot, '.skyagent', 'bin', 'nats-server'), join(home, 'bin', 'nats-server'));
  return {
    folder,
    home,
    remove: async () => {
      await eventually(() => natsIsGone(home), 'the embedded nats-server to stop');
      await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}

/** Asks until the answer is not `undefined` or `false`. */
export async function eventually<T>(ask: () => Promise<T | undefined | false>, what: string): Promise<T> {
  const deadline = Date.now() + GUARD_MS;
  while (Date.now() < deadline) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    await sleep(20);
  }
  throw new Error(`gave up waiting for ${what}`);
}

async function natsIsGone(home: string): Promise<boolean> {
  if ((await textOf(join(home, 'nats', 'server.json'))) !== undefined) return false;
  const [, port] = /^port: (\d+)$/m.exec((await textOf(join(home, 'nats', 'nats.conf'))) ?? '') ?? [];
  return port === undefined || refuses(Number(port));
}

const textOf = (file: string): Promise<string | undefined> => readFile(file, 'utf8').catch(() => undefined);

const refuses = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(true));
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
  });
