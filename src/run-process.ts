import { rm, writeFile, mkdir, rename } from 'node:fs/promises';
import { addressFile } from './address-file.js';
import { ConfigError, type Config } from './config.js';
import { describe, type Report } from './engine.js';
import { serve, ServeError } from './serve.js';

const USAGE = 2;
const UNREACHABLE = 9;

/** Serves until SIGTERM or SIGINT, then parks what it owns. Answers the exit code. */
export async function runProcess(load: () => Config, report: Report): Promise<number> {
  try {
    const config = load();
    const server = await serve(config, report);
    if (server.url) await announce(config, server.url);
    report(
      `ready${server.url ? ` on ${server.url}` : ''} (${config.SKYAGENT_ROLES.join(', ')}; NATS ${server.engine.natsUrl})`,
    );
    const signal = await stopSignal();
    report(`${signal}: parking runs`);
    if (server.url) await rm(addressFile(config.home), { force: true });
    await server.stop();
    return 0;
  } catch (error) {
    report(describe(error));
    return error instanceof ConfigError || error instanceof ServeError ? USAGE : UNREACHABLE;
  }
}

async function announce(config: Config, url: string): Promise<void> {
  await mkdir(config.home, { recursive: true });
  const file = addressFile(config.home);
  // Whoever waits for the file must never find half of it.
  // Of its own: another process of this home may announce itself at the same moment.
  const temporary = `${file}.${process.pid}.tmp`;
  await writeFile(temporary, JSON.stringify({ url, pid: process.pid }));
  await rename(temporary, file);
}

const stopSignal = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
