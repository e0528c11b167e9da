import type { Config } from '../../config.js';
import type { StoredEvent } from '../../log/event-log.js';
import { replayRun, stateAsJson } from '../../runs/replay-run.js';
import { withServer } from '../client.js';
import { CliError, EXIT } from '../exit-codes.js';
import { clock, print, printJson, table } from '../output.js';
import { allEvents } from './runs-events.command.js';

export const run = (config: Config, options: { run: string; at?: string; json?: boolean }): Promise<void> =>
  withServer(config, async (client) => {
    const at = options.at === undefined ? undefined : revOf(options.at);
    const history: StoredEvent[] = [];
    for await (const body of allEvents(client, options.run))
      history.push({ partition: 0, seq: body.rev, body });
    if (at !== undefined && at > history.length)
      throw new CliError(EXIT.usage, `--at ${at}: the run has ${history.length} revisions`);
    const { timeline, state } = replayRun(history, at);
    if (at !== undefined) return printJson(stateAsJson(state));
    if (options.json) return printJson({ runId: options.run, sound: true, timeline });
    print(
      table(
        ['REV', 'TIME', 'EVENT', 'STEP', 'STATE'],
        timeline.map(({ rev, time, type, stepId, to }) => [String(rev), clock(time), type, stepId ?? '', to]),
      ),
    );
    print(
      `${timeline.length} events replayed with ${state.machine}: hash chain and every recorded state hold`,
    );
  });

function revOf(text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new CliError(EXIT.usage, `--at ${text}: expected a revision, a whole number from 1`);
}
