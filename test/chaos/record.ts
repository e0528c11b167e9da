import { eventTypeOf, type Envelope } from '#events/envelope.js';
import { openJetStreamLog, type JetStreamLog } from '../../src/log/jetstream.log.js';
import type { StoredEvent } from '../../src/log/event-log.js';
import type { Cluster } from './cluster.js';

/** One stored event as the checks look at it. */
export interface Told {
  readonly type: string;
  readonly seq: number;
  readonly at: number;
  readonly body: Envelope;
}

/** The events of each run, in the order of the log. */
export type Histories = ReadonlyMap<string, readonly StoredEvent[]>;

export const told = ({ seq, body }: StoredEvent): Told => {
  const envelope = body as Envelope;
  return { type: eventTypeOf(envelope), seq, at: Date.parse(envelope.time), body: envelope };
};

export const ENDS: ReadonlySet<string> = new Set(['run.succeeded', 'run.failed', 'run.cancelled']);

/** A connection to the log of a cluster: what the chaos reads and forges goes past every process of it. */
export const openLogOf = (
  { nats }: Cluster,
  settings: { readonly leaseMs: number; readonly partitions: number },
): Promise<JetStreamLog> =>
  openJetStreamLog({
    ...nats,
    partitions: settings.partitions,
    replicas: 1,
    maxBytes: 1024 * 1024 * 1024,
    ackWaitMs: settings.leaseMs,
    appendTimeoutMs: 5_000,
    appendRetries: 5,
    batchSize: 500,
  });

/** Everything that is in the log now. */
export async function readAll(log: JetStreamLog): Promise<Histories> {
  const histories = new Map<string, StoredEvent[]>();
  for (const { partition, lastSeq } of await log.info()) {
    if (lastSeq === 0) continue;
    const { promise, resolve } = Promise.withResolvers<void>();
    const subscription = await log.follow(partition, 0, (batch) => {
      for (const stored of batch) {
        const { subject } = stored.body as Envelope;
        histories.set(subject, [...(histories.get(subject) ?? []), stored]);
      }
      if ((batch.at(-1)?.seq ?? 0) >= lastSeq) resolve();
    });
    await promise;
    await subscription.stop();
  }
  return histories;
}
