import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { compiledFile } from '../../setup/package-root.js';
import { findNatsServer } from './nats-binary.js';

export interface EmbeddedServer {
  readonly url: string;
  readonly token: string;
  readonly pid: number;
  /** Stops using the server; it goes away with its last user. */
  release(): void;
}

interface KeeperState {
  readonly keeperPort: number;
  readonly keeperPid: number;
  readonly natsPort: number;
  readonly token: string;
}

const START_TIMEOUT_MS = 60_000;
/** How long a server may take to stop before its successor gives up. */
const STOP_TIMEOUT_MS = 15_000;
/** A lock older than this was left behind: starting a keeper takes less, and a pid may name another process by now. */
const LOCK_MS = 45_000;
/** A lock gets its pid right after it is made. */
const NAMELESS_LOCK_MS = 2_000;
/** How long a server without users waits for the next command before it stops. */
const LINGER_MS = 1_000;

/** The embedded server of a home did not come up. */
export class EmbeddedServerError extends Error {
  readonly code = 'embedded-nats-failed';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EmbeddedServerError';
  }
}

/** Joins the nats-server of a home, starting one (through a keeper process) when there is none. */
export async function joinEmbeddedServer(
  home: string,
  onProgress?: (line: string) => void,
): Promise<EmbeddedServer> {
  const folder = join(home, 'nats');
  await mkdir(join(folder, 'data'), { recursive: true });
  const deadline = Date.now() + START_TIMEOUT_MS;
  let binary: string | undefined;
  while (Date.now() < deadline) {
    const joined = await joinRunning(folder);
    if (joined) return joined;
    binary ??= await findNatsServer(home, onProgress);
    await withLock(join(folder, 'lock'), () => startKeeper(folder, binary!));
    await sleep(50);
  }
  throw new EmbeddedServerError(
    `nats-server did not start within ${START_TIMEOUT_MS} ms; see ${join(folder, 'nats.log')}`,
  );
}

async function joinRunning(folder: string): Promise<EmbeddedServer | undefined> {
  const state = await readState(folder);
  if (!state) return undefined;
  const socket = await sayToken(state).catch(() => undefined);
  if (!socket) return undefined;
  socket.unref();
  if (!(await answers(state.natsPort))) {
    socket.destroy();
    return undefined;
  }
  return {
    url: `nats://127.0.0.1:${state.natsPort}`,
    token: state.token,
    pid: state.keeperPid,
    release: () => socket.destroy(),
  };
}

async function readState(folder: string): Promise<KeeperState | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, 'server.json'), 'utf8')) as KeeperState;
  } catch {
    return undefined;
  }
}

function sayToken(state: KeeperState): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp(state.keeperPort, '127.0.0.1', () => socket.write(state.token));
    socket.once('data', () => resolve(socket));
    socket.once('close', () => reject(new Error('the keeper hung up')));
    socket.once('error', reject);
    socket.setTimeout(2_000, () => socket.destroy());
  }).then((socket) => (socket as Socket).setTimeout(0));
}

/** Whether nats-server greets on its port; it may still be replaying its streams when the keeper is already up. */
async function answers(port: number): Promise<boolean> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (await sees(port, 'data')) return true;
    await sleep(25);
  }
  return false;
}

/** One command at a time starts a keeper; a lock whose holder died is taken over. */
async function withLock(path: string, work: () => Promise<void>): Promise<void> {
  try {
    const handle = await open(path, 'wx');
    await handle.writeFile(String(process.pid));
    await handle.close();
  } catch {
    if (await holderIsDead(path)) await rm(path, { force: true });
    return;
  }
  try {
    await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function holderIsDead(path: string): Promise<boolean> {
  const ageMs = Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now());
  if (ageMs > LOCK_MS) return true;
  const pid = Number(await readFile(path, 'utf8').catch(() => ''));
  if (!Number.isInteger(pid) || pid <= 0) return ageMs > NAMELESS_LOCK_MS;
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}

async function startKeeper(folder: string, binary: string): Promise<void> {
  if (await joinable(folder)) return;
  await untilGone(folder);
  await rm(join(folder, 'server.json'), { force: true });
  const token = randomBytes(24).toString('base64url');
  const port = await freePort();
  await writeFile(join(folder, 'nats.conf'), natsConfig(folder, port, token), { mode: 0o600 });
  const keeper = spawn(
    process.execPath,
    [compiledFile('src/log/embedded/keeper.js'), folder, binary, String(port), token, String(LINGER_MS)],
    { detached: true, stdio: 'ignore' },
  );
  keeper.unref();
  for (let waited = 0; waited < 10_000 && !(await readState(folder)); waited += 20) await sleep(20);
}

/** Waits for the server of an earlier keeper, which is stopping or has lost its keeper, to let go of the data. */
async function untilGone(folder: string): Promise<void> {
  const deadline = Date.now() + STOP_TIMEOUT_MS;
  for (;;) {
    const state = await readState(folder);
    if (!state || !(await sees(state.natsPort, 'connect'))) return;
    if (Date.now() > deadline)
      throw new EmbeddedServerError(
        `an earlier nats-server still runs on port ${state.natsPort} with the data in ${folder}`,
      );
    await sleep(20);
  }
}

/** Whether a port takes a connection, or also greets on it. */
function sees(port: number, event: 'connect' | 'data'): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp(port, '127.0.0.1');
    const answer = (seen: boolean) => {
      resolve(seen);
      socket.destroy();
    };
    socket.once(event, () => answer(true));
    socket.once('error', () => answer(false));
    socket.once('close', () => answer(false));
    socket.setTimeout(1_000, () => answer(false));
  });
}

async function joinable(folder: string): Promise<boolean> {
  const joined = await joinRunning(folder);
  joined?.release();
  return joined !== undefined;
}

const natsConfig = (
  folder: string,
  port: number,
  token: string,
): string => `# written by SkyAgentOS at every start
host: "127.0.0.1"
port: ${port}
authorization { token: "${token}" }
max_payload: 1MB
logfile: "${join(folder, 'nats.log')}"
logfile_size_limit: 10MB
# The streams' own limits are fitted to the disk; the server's guess (a share of what is free now) would refuse them.
jetstream { store_dir: "${join(folder, 'data')}", sync_interval: always, max_file_store: 1024TB }
`;

/** Of the free disk, what the streams of a new home may grow to together. */
const DISK_SHARE = 0.75;

/** How large each of `partitions` streams may grow in a home: what is wished for, or its share of the disk if that is less. */
export async function fittingBytes(home: string, wished: number, partitions: number): Promise<number> {
  await mkdir(home, { recursive: true });
  const { bavail, bsize } = await statfs(home);
  return Math.min(wished, Math.floor((bavail * bsize * DISK_SHARE) / partitions));
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}
