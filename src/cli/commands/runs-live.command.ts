import type { Config } from '../../config.js';
import { findServer, withServer } from '../client.js';
import { CliError, EXIT } from '../exit-codes.js';
import { print, printJson } from '../output.js';

interface Answer {
  readonly expiresAt: string;
  readonly links: { readonly page: string };
}

/** Prints the address of the live view, for a browser. */
export async function run(
  config: Config,
  options: { lease?: string; json?: boolean },
  id: string,
): Promise<void> {
  if ((await findServer(config)) === undefined)
    throw new CliError(EXIT.unreachable, 'no server is running; a live view is of one that goes on');
  return withServer(config, async (client) => {
    const body = options.lease === undefined ? {} : { lease: options.lease };
    const answer = await client.post<Answer>(`/runs/${encodeURIComponent(id)}/live`, body);
    if (options.json) printJson(answer);
    else print(new URL(answer.links.page, client.url).href);
  });
}
