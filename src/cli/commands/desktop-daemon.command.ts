import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { wholeEnvironment, type Config } from '../../config.js';
import { joinEmbeddedServer, type EmbeddedServer } from '../../log/embedded/embedded-server.js';
import { DAEMON_FLAGS } from '../../runtimes/desktop/own-desktop.js';
import { compiledFile } from '../../setup/package-root.js';
import { EXIT } from '../exit-codes.js';
import { progress } from '../output.js';

/** Questions that need no connection of their own. */
const ALONE: ReadonlySet<string> = new Set(['--help', '--no-nats', 'handback', 'stop', 'status']);

/** Runs the computer-use daemon, connected to the NATS server of this home or to the one that NATS_URL names. */
export async function run(config: Config, _options: object, args: string[] = []): Promise<number> {
  const server = args.some((arg) => ALONE.has(arg)) ? undefined : await joinServer(config);
  const own = args.filter((arg) => arg !== '--no-nats');
  // The server of a home may be on another port when it has been started anew.
  if (server) own.push('--nats-file', join(config.home, 'nats', 'server.json'));
  const child = spawn(process.execPath, [...DAEMON_FLAGS, compiledFile('desktop-daemon/main.js'), ...own], {
    stdio: 'inherit',
    env: {
      ...wholeEnvironment(),
      SKYAGENT_HOME: config.home,
      NATS_URL: args.includes('--no-nats') ? '' : (config.NATS_URL ?? ''),
      NATS_TOKEN: config.NATS_TOKEN ?? '',
    },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  const code = await new Promise<number>((resolve) => {
    child.once('exit', (status, signal) => resolve(signal ? EXIT.failed : (status ?? EXIT.failed)));
    child.once('error', () => resolve(EXIT.failed));
  });
  server?.release();
  return code;
}

/** Without a server the daemon serves HTTP alone. */
async function joinServer(config: Config): Promise<EmbeddedServer | undefined> {
  if (config.NATS_URL !== undefined) return undefined;
  try {
    return await joinEmbeddedServer(config.home, progress);
  } catch (error) {
    progress(`no NATS server, HTTP alone: ${(error as Error).message}`);
    return undefined;
  }
}
