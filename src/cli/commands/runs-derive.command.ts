import type { Config } from '../../config.js';
import { withServer } from '../client.js';
import { CliError, EXIT } from '../exit-codes.js';
import { print, printJson } from '../output.js';
import { inputsOf, jsonFile } from './run.command.js';

interface RetryOptions {
  readonly fromStep?: string;
  readonly json?: boolean;
}
interface ForkOptions {
  readonly atRev: string;
  readonly plan?: string;
  readonly input?: string[];
  readonly json?: boolean;
}

/** A new run of the same mission. */
export const retry = (config: Config, { fromStep, json }: RetryOptions, id: string): Promise<void> =>
  derive(config, id, 'retry', fromStep === undefined ? {} : { fromStep }, json);

/** A new run that shares the history of another up to a revision. */
export async function fork(config: Config, options: ForkOptions, id: string): Promise<void> {
  const atRev = Number(options.atRev);
  if (!Number.isInteger(atRev) || atRev < 1)
    throw new CliError(EXIT.usage, `--at-rev ${options.atRev}: expected a whole number from 1`);
  const body = {
    atRev,
    ...(options.plan !== undefined && { plan: await jsonFile('--plan', options.plan) }),
    ...(options.input && { inputs: inputsOf(options.input) }),
  };
  return derive(config, id, 'fork', body, options.json);
}

const derive = (config: Config, id: string, how: string, body: object, json?: boolean): Promise<void> =>
  withServer(config, async (client) => {
    const answer = await client.post<{ runId: string }>(`/runs/${encodeURIComponent(id)}/${how}`, body);
    if (json) printJson(answer);
    else print(answer.runId);
  });
