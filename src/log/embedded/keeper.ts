import { spawn, type ChildProcess } from 'node:child_process';
import { rmSync, writeFileSync, renameSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';

/**
 * Its own process: starts one nats-server and stops it with its last user. A user is a TCP connection that has said the
 * token, so a user that is killed is gone the moment the kernel closes its socket; no pid is ever trusted.
 */
const [folder, binary, natsPort, token, lingerMs] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];
const users = new Set<Socket>();
let nats: ChildProcess;
let stopping = false;
let lastUserLeft: NodeJS.Timeout | undefined;

const stateFile = join(folder, 'server.json');
const RESTART_MS = 200;

function startNats(): void {
  nats = spawn(binary, ['-c', join(folder, 'nats.conf')], { stdio: 'ignore' });
  nats.on('error', leave);
  const guard = stopWithMe(nats);
  nats.on('exit', () => {
    guard.kill('SIGKILL');
    if (stopping) leave();
    else setTimeout(() => (stopping ? leave() : startNats()), RESTART_MS);
  });
}

/** A shell that sees this process end, also by SIGKILL, and then stops nats-server: two on one folder would ruin it. */
function stopWithMe({ pid }: ChildProcess): ChildProcess {
  const script = 'read -r never; kill "$0"';
  const guard = spawn('/bin/sh', ['-c', script, String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.on('error', () => undefined);
  return guard;
}

function stop(): void {
  if (stopping) return;
  stopping = true;
  server.close();
  nats.kill('SIGTERM');
  setTimeout(() => nats.kill('SIGKILL'), 10_000).unref();
}

/** The state file goes last: while it is there, the next keeper waits for this nats-server to be gone. */
function leave(): void {
  rmSync(stateFile, { force: true });
  process.exit(0);
}

function armStop(): void {
  clearTimeout(lastUserLeft);
  if (users.size === 0) lastUserLeft = setTimeout(stop, Number(lingerMs));
}

const server = createServer((socket) => {
  socket.on('error', () => socket.destroy());
  socket.once('data', (data) => {
    if (data.toString() !== token || stopping) return socket.destroy();
    clearTimeout(lastUserLeft);
    users.add(socket);
    socket.write('ok');
  });
  socket.on('close', () => {
    if (users.delete(socket)) armStop();
  });
});

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  const keeperPort = typeof address === 'object' && address ? address.port : 0;
  startNats();
  const state = { keeperPort, natsPort: Number(natsPort), token, keeperPid: process.pid };
  writeFileSync(`${stateFile}.tmp`, JSON.stringify(state), { mode: 0o600 });
  renameSync(`${stateFile}.tmp`, stateFile);
  lastUserLeft = setTimeout(stop, 30_000);
});
process.on('SIGTERM', stop);
process.on('SIGINT', () => undefined);
