import { eventTypeOf, type Envelope } from '#events/envelope.js';
import type { Config } from '../../config.js';
import { openLog } from '../../engine.js';
import type { StoredEvent } from '../../log/event-log.js';
import { CliError, EXIT } from '../exit-codes.js';
import { clock, print, progress } from '../output.js';

/** Follows the log itself, over NATS. */
export async function run(
  config: Config,
  options: { fromStart?: boolean; limit?: string; json?: boolean },
): Promise<number> {
  const most = options.limit === undefined ? Infinity : limitOf(options.limit);
  const { nats, server } = await openLog(config, progress);
  const stopped = Promise.withResolvers<number>();
  process.once('SIGINT', () => stopped.resolve(EXIT.interrupted));
  process.once('SIGTERM', () => stopped.resolve(EXIT.interrupted));
  let seen = 0;
  const show = (batch: readonly StoredEvent[]) => {
    for (const stored of batch) {
      if (seen >= most) return;
      print(options.json ? JSON.stringify(stored.body) : lineOf(stored.body as Envelope));
      if (++seen >= most) stopped.resolve(EXIT.succeeded);
    }
  };
  const info = await nats.info();
  const subscriptions = await Promise.all(
    info.map(({ partition, lastSeq }) => nats.follow(partition, options.fromStart ? 0 : lastSeq, show)),
  );
  progress(`following ${nats.url}: skyagent.runs.>`);
  const code = await stopped.promise;
  await Promise.all(subscriptions.map((subscription) => subscription.stop()));
  await nats.close();
  server?.release();
  return code;
}

const lineOf = (event: Envelope): string => {
  const { stepId } = event.data as { stepId?: string };
  return [clock(event.time), event.subject, String(event.rev).padStart(3), eventTypeOf(event), stepId ?? '']
    .join('  ')
    .trimEnd();
};

function limitOf(text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new CliError(EXIT.usage, `--limit ${text}: expected a whole number from 1`);
}
