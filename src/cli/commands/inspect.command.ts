import type { Config } from '../../config.js';
import { openLog } from '../../engine.js';
import { createRelay } from '../../inspector/relay.js';
import type { EventLog, StoredEvent, Subscription } from '../../log/event-log.js';
import { EXIT } from '../exit-codes.js';
import { print, progress } from '../output.js';
import { portOf } from './serve.command.js';

interface InspectOptions {
  readonly run?: string;
  readonly port: string;
  readonly allowOrigin?: string[];
}

/** Feeds one run (its history, then what comes) or all runs from now on, until interrupted. */
export async function run(config: Config, options: InspectOptions): Promise<number> {
  const { nats, server } = await openLog(config, progress);
  const relay = await createRelay(portOf(options.port), options.allowOrigin ?? []);
  const feed = (batch: readonly StoredEvent[]) => {
    for (const stored of batch) {
      if (options.run === undefined || runOf(stored) === options.run) relay.feed(stored);
    }
  };
  const subscriptions = await follow(nats, options.run, feed);
  print(relay.url);
  progress(
    'connect a viewer with createWebSocketReceiver({ server: … }) of @statelyai/inspect; Ctrl-C ends this',
  );
  await new Promise((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  await Promise.all(subscriptions.map((subscription) => subscription.stop()));
  await relay.close();
  await nats.close();
  server?.release();
  return EXIT.interrupted;
}

async function follow(
  log: EventLog,
  runId: string | undefined,
  feed: (batch: readonly StoredEvent[]) => void,
): Promise<Subscription[]> {
  if (runId === undefined) {
    const info = await log.info();
    return Promise.all(info.map(({ partition, lastSeq }) => log.follow(partition, lastSeq, feed)));
  }
  const history = await log.read(runId);
  const last = history.at(-1);
  if (!last) throw new Error(`there is no run ${runId}`);
  feed(history);
  return [await log.follow(last.partition, last.seq, feed)];
}

const runOf = (stored: StoredEvent): unknown => (stored.body as { subject?: unknown } | null)?.subject;
