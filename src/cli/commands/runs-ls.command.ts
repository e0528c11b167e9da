import type { Config } from '../../config.js';
import { withServer } from '../client.js';
import { cut, print, printJson, table } from '../output.js';

interface Summary {
  readonly id: string;
  readonly status: string;
  readonly title: string;
  readonly createdAt: string;
  readonly stepsTotal: number;
  readonly stepsFinished: number;
}

export const run = (
  config: Config,
  options: { status?: string; template?: string; limit: string; json?: boolean },
): Promise<void> =>
  withServer(config, async (client) => {
    const query = new URLSearchParams({ limit: options.limit });
    if (options.status) query.set('status', options.status);
    if (options.template) query.set('template', options.template);
    const page = await client.get<{ runs: Summary[] }>(`/runs?${query}`);
    if (options.json) return printJson(page);
    const rows = page.runs.map(({ id, status, title, createdAt, stepsTotal, stepsFinished }) => [
      id,
      status,
      `${stepsFinished}/${stepsTotal}`,
      createdAt.slice(0, 19).replace('T', ' '),
      cut(title.replace(/\s+/g, ' '), 60),
    ]);
    print(
      rows.length > 0
        ? table(['RUN', 'STATUS', 'STEPS', 'CREATED', 'TITLE'], rows)
        : 'no runs yet: skyagent run --help',
    );
  });
