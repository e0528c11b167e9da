import type { Config } from '../../config.js';
import { runProcess } from '../../run-process.js';
import { CliError, EXIT } from '../exit-codes.js';
import { progress } from '../output.js';

export function run(config: Config, { port }: { port?: string }): Promise<number> {
  const settings = port === undefined ? config : { ...config, SKYAGENT_PORT: portOf(port) };
  return runProcess(() => settings, progress);
}

export function portOf(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new CliError(EXIT.usage, `--port ${text}: expected a number from 0 to 65535`);
}
