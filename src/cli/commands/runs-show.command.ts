import type { Config } from '../../config.js';
import { withServer } from '../client.js';
import { coloured, print, printJson, table } from '../output.js';
import type { RunDetails } from './run.command.js';

export const run = (config: Config, options: { json?: boolean }, id: string): Promise<void> =>
  withServer(config, async (client) => {
    const details = await client.get<RunDetails>(`/runs/${encodeURIComponent(id)}`);
    if (options.json) return printJson(details);
    print(`${details.id}  ${coloured(details.status)}  revision ${details.rev}\n${details.title}`);
    if (details.failure) print(`${details.failure.message}\n→ ${details.failure.hint}`);
    print(
      table(
        ['STEP', 'STATE', 'ATTEMPT', 'TITLE'],
        details.steps.map((step) => [step.id, step.state, String(step.attempt), step.title]),
      ),
    );
    if (details.commands.length > 0) print(`legal now: ${details.commands.join(', ')}`);
  });
