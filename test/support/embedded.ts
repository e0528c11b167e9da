import { readFileSync } from 'node:fs';
import { mkdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { joinEmbeddedServer, type EmbeddedServer } from '../../src/log/embedded/embedded-server.js';
import { openJetStreamLog, type JetStreamLog, type JetStreamSettings } from '../../src/log/jetstream.log.js';
import { packageRoot } from '../../src/setup/package-root.js';
import { removeFolder, tempFolder } from './temp.js';
import { until } from './wait.js';

export const NATS_BINARY = join(packageRoot, '.skyagent', 'bin', 'nats-server');

/** A home that has a nats-server, so that nothing is fetched. */
export async function temporaryHome(): Promise<string> {
  const home = await tempFolder();
  await mkdir(join(home, 'bin'), { recursive: true });
  await symlink(NATS_BINARY, join(home, 'bin', 'nats-server'));
  return home;
}

/** An embedded server in a home of its own, and how to leave nothing of it behind. */
export interface TestServer {
  readonly home: string;
  readonly server: EmbeddedServer;
  openLog(settings?: Partial<JetStreamSettings>): Promise<JetStreamLog>;
  stop(): Promise<void>;
}

export async function startTestServer(): Promise<TestServer> {
  const home = await temporaryHome();
  const server = await joinEmbeddedServer(home);
  return {
    home,
    server,
    openLog: (settings) => openJetStreamLog({ ...settingsFor(server), ...settings }),
    stop: async () => {
      server.release();
      await leaveNothing(home, server.pid);
    },
  };
}

export const settingsFor = ({ url, token }: EmbeddedServer): JetStreamSettings => ({
  url,
  token,
  partitions: 2,
  replicas: 1,
  maxBytes: 512 * 1024 * 1024,
  ackWaitMs: 1_000,
  appendTimeoutMs: 2_000,
  appendRetries: 3,
  batchSize: 50,
});

/** Waits until the keeper has stopped its server, then removes the home. */
export async function leaveNothing(home: string, keeperPid: number): Promise<void> {
  await until('the keeper has gone', () => !isAlive(keeperPid));
  await removeFolder(home);
}

export function isAlive(pid: number): boolean {
  try {
    // A zombie has ended too: whoever adopted it has only not looked yet.
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** The pid of the nats-server a keeper has started. */
export const natsPidOf = (keeperPid: number): Promise<number> =>
  until('the keeper has a nats-server', async () => {
    const children = await readFile(`/proc/${keeperPid}/task/${keeperPid}/children`, 'utf8');
    const pids = children.split(' ').filter(Boolean).map(Number);
    return pids.find((pid) => commandOf(pid).includes('nats-server'));
  });

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
