import type { Config } from '../../config.js';
import { withServer } from '../client.js';
import { CliError, EXIT } from '../exit-codes.js';
import { coloured, print, printJson } from '../output.js';

interface BudgetOptions {
  readonly maxSteps?: string;
  readonly maxDurationMs?: string;
  readonly maxTokens?: string;
  readonly maxCostUsd?: string;
  readonly json?: boolean;
}

/** Raises the limits that are named. */
export function run(config: Config, { json, ...given }: BudgetOptions, id: string): Promise<void> {
  const limits = Object.fromEntries(
    Object.entries(given).map(([name, text]) => [name, numberOf(name, text)]),
  );
  if (Object.keys(limits).length === 0) throw new CliError(EXIT.usage, 'name a limit, e.g. --max-steps 50');
  return withServer(config, async (client) => {
    const path = `/runs/${encodeURIComponent(id)}/budget`;
    const answer = await client.post<{ status: string }>(path, { limits });
    if (json) printJson(answer);
    else print(`${id}  ${coloured(answer.status)}`);
  });
}

function numberOf(name: string, text: string): number {
  const number = Number(text);
  if (text.trim() !== '' && Number.isFinite(number)) return number;
  throw new CliError(EXIT.usage, `${name} ${text}: expected a number`);
}
