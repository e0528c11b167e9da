import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Envelope } from '#events/envelope.js';
import {
  fittingBytes,
  joinEmbeddedServer,
  type EmbeddedServer,
} from '../../src/log/embedded/embedded-server.js';
import { openJetStreamLog } from '../../src/log/jetstream.log.js';
import { compiledFile } from '../../src/setup/package-root.js';
import { isAlive, natsPidOf, settingsFor, temporaryHome } from '../support/embedded.js';
import { historyOf } from '../support/envelopes.js';
import { removeFolder } from '../support/temp.js';
import { until } from '../support/wait.js';

let home: string;
const joined: EmbeddedServer[] = [];
const pids = new Set<number>();

beforeEach(async () => {
  home = await temporaryHome();
});
afterEach(async () => {
  for (const server of joined.splice(0)) server.release();
  await until('every process has ended', () => [...pids].every((pid) => !isAlive(pid)));
  pids.clear();
  await removeFolder(home);
});

async function joinHome(): Promise<EmbeddedServer> {
  const server = await joinEmbeddedServer(home);
  joined.push(server);
  await watch(server.pid);
  return server;
}

/** Notes a keeper and its nats-server, which must be gone at the end of the test. */
async function watch(keeperPid: number): Promise<number> {
  pids.add(keeperPid);
  const natsPid = await natsPidOf(keeperPid);
  pids.add(natsPid);
  return natsPid;
}

/** Another process that uses the server of this home, until it is killed. */
async function startUser(): Promise<{ child: ChildProcess; keeperPid: number }> {
  const module = pathToFileURL(compiledFile('src/log/embedded/embedded-server.js')).href;
  const script = `
    const { joinEmbeddedServer } = await import(${JSON.stringify(module)});
    const server = await joinEmbeddedServer(${JSON.stringify(home)});
    process.stdout.write(server.pid + '\\n');
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const keeperPid = Number(line.toString());
  await watch(keeperPid);
  return { child, keeperPid };
}

async function withLogOf<T>(
  server: EmbeddedServer,
  work: (log: Awaited<ReturnType<typeof openJetStreamLog>>) => Promise<T>,
) {
  const log = await openJetStreamLog(settingsFor(server));
  try {
    return await work(log);
  } finally {
    await log.close();
  }
}

const stateFile = () => join(home, 'nats', 'server.json');
const lockFile = () => join(home, 'nats', 'lock');

describe('the embedded server of a home', () => {
  it('is one server for all who join', async () => {
    const [first, second] = [await joinHome(), await joinHome()];
    expect(second).toMatchObject({ url: first.url, token: first.token, pid: first.pid });
  });

  it('is one server for all who join at once', async () => {
    const servers = await Promise.all(Array.from({ length: 5 }, joinHome));
    expect(new Set(servers.map(({ pid }) => pid)).size).toBe(1);
    expect(new Set(servers.map(({ url }) => url)).size).toBe(1);
  });

  it('listens on loopback only, syncs every write, and its token is for the owner of the home', async () => {
    await joinHome();
    const config = await readFile(join(home, 'nats', 'nats.conf'), 'utf8');
    expect(config).toContain('host: "127.0.0.1"');
    expect(config).toContain('sync_interval: always');
    for (const file of [join(home, 'nats', 'nats.conf'), stateFile()]) {
      expect((await stat(file)).mode & 0o077).toBe(0);
    }
  });

  it('stays while somebody uses it, and stops with its last user', async () => {
    const [first, second] = [await joinHome(), await joinHome()];
    const natsPid = await natsPidOf(first.pid);
    first.release();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(isAlive(natsPid)).toBe(true);
    second.release();
    await until('the server has stopped', () => !isAlive(natsPid) && !isAlive(first.pid));
    expect(existsSync(stateFile())).toBe(false);
  });

  it('stops with its last user when that one is killed', async () => {
    const { child, keeperPid } = await startUser();
    const natsPid = await natsPidOf(keeperPid);
    child.kill('SIGKILL');
    await until('the server has stopped', () => !isAlive(natsPid) && !isAlive(keeperPid));
    expect(existsSync(stateFile())).toBe(false);
  });

  it('stays for another user when one is killed', async () => {
    const { child, keeperPid } = await startUser();
    const mine = await joinHome();
    expect(mine.pid).toBe(keeperPid);
    child.kill('SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await withLogOf(mine, async (log) => expect(await log.read('run_1')).toEqual([]));
  });

  it('comes back by itself when nats-server dies, with what was written', async () => {
    const server = await joinHome();
    const [created, started] = historyOf('run_1', 'run.created', 'run.started') as [Envelope, Envelope];
    await withLogOf(server, async (log) => {
      const seq = await log.append(created, 0);
      const natsPid = await natsPidOf(server.pid);
      process.kill(natsPid, 'SIGKILL');
      await until('another has started', async () => (await watch(server.pid)) !== natsPid);
      await log.append(started, seq);
      expect((await log.read('run_1')).map(({ body }) => body)).toEqual([created, started]);
    });
  });

  it('takes nats-server along when the keeper is killed, so that two never share the data', async () => {
    const server = await joinHome();
    const natsPid = await natsPidOf(server.pid);
    process.kill(server.pid, 'SIGKILL');
    await expect(until('nats-server has gone', () => !isAlive(natsPid))).resolves.toBe(true);
  });

  it('starts afresh after the keeper was killed, with what was written', async () => {
    const [created] = historyOf('run_1', 'run.created') as [Envelope];
    const old = await joinHome();
    await withLogOf(old, (log) => log.append(created, 0));
    const oldNats = await natsPidOf(old.pid);
    process.kill(old.pid, 'SIGKILL');
    const fresh = await joinHome();
    expect(fresh.pid).not.toBe(old.pid);
    expect(isAlive(oldNats)).toBe(false);
    await withLogOf(fresh, async (log) =>
      expect((await log.read('run_1')).map(({ body }) => body)).toEqual([created]),
    );
  });

  it('keeps what was written over a restart', async () => {
    const history = historyOf('run_1', 'run.created', 'run.started');
    const first = await joinHome();
    await withLogOf(first, async (log) => {
      const seq = await log.append(history[0]!, 0);
      await log.append(history[1]!, seq);
    });
    await stopped(first);
    await withLogOf(await joinHome(), async (log) => {
      expect((await log.read('run_1')).map(({ body }) => body)).toEqual(history);
    });
  });

  it('never runs twice on the same data: who joins while it stops waits until it has stopped', async () => {
    const first = await joinHome();
    const oldNats = await natsPidOf(first.pid);
    process.kill(oldNats, 'SIGSTOP');
    process.kill(first.pid, 'SIGTERM');
    // The signal must have been handled before somebody joins: until then the server is simply still there.
    await new Promise((resolve) => setTimeout(resolve, 500));
    let joinedAgain = false;
    const joining = joinHome().then(() => {
      joinedAgain = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const tooEarly = joinedAgain;
    process.kill(oldNats, 'SIGCONT');
    await joining;
    expect(tooEarly).toBe(false);
    expect(isAlive(oldNats)).toBe(false);
  });

  it('starts although a command that was starting it died', async () => {
    await writeLock('999999999');
    await joinHome();
    expect(existsSync(lockFile())).toBe(false);
  });

  it('starts although a power cut left a lock that names nobody, or a process that is another now', async () => {
    await writeLock('');
    await utimes(lockFile(), new Date(0), new Date(0));
    await stopped(await joinHome());
    await writeFile(lockFile(), String(process.pid));
    await utimes(lockFile(), new Date(0), new Date(0));
    await joinHome();
    expect(existsSync(lockFile())).toBe(false);
  });

  it('starts although the file that says where it is has been cut short', async () => {
    await stopped(await joinHome());
    await writeFile(stateFile(), '{"keeperPort":');
    expect((await joinHome()).url).toMatch(/^nats:\/\/127\.0\.0\.1:\d+$/);
  });
});

async function stopped(server: EmbeddedServer): Promise<void> {
  server.release();
  await until('it has stopped', () => !isAlive(server.pid));
}

/** A lock as a start before left it. */
async function writeLock(holder: string): Promise<void> {
  await mkdir(join(home, 'nats'), { recursive: true });
  await writeFile(lockFile(), holder);
}

describe('the room of a home', () => {
  const GiB = 1024 ** 3;

  it('is what was wished for while the disk has it', async () => {
    expect(await fittingBytes(home, GiB / 64, 8)).toBe(GiB / 64);
  });

  it('is a share of the disk for each stream otherwise', async () => {
    const [one, eight] = [await fittingBytes(home, 2 ** 52, 1), await fittingBytes(home, 2 ** 52, 8)];
    expect(one).toBeLessThan(2 ** 52);
    expect(eight / one).toBeCloseTo(1 / 8, 1);
  });

  it('is not refused by a server whose own guess at the disk is smaller', async () => {
    const log = await openJetStreamLog({ ...settingsFor(await joinHome()), maxBytes: 100 * 1024 * GiB });
    expect(log.partitions).toBe(2);
    await log.close();
  });

  it('says what to do when the server has no room for the streams', async () => {
    const settings = { ...settingsFor(await joinHome()), maxBytes: 2 ** 52 };
    await expect(openJetStreamLog(settings)).rejects.toThrow(/SKYAGENT_MAX_STREAM_BYTES.*max_file_store/);
  });
});
