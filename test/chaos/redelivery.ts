import { setTimeout as sleep } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { Envelope } from '#events/envelope.js';
import { streamName } from '#events/subjects.js';
import type { JetStreamLog } from '../../src/log/jetstream.log.js';
import { QUEUE_NAME } from '../../src/log/jetstream.streams.js';
import type { Evidence } from './evidence.js';
import type { Cluster } from './cluster.js';
import { readAll } from './record.js';

const PATIENCE_MS = 60_000;

/** Wake-ups of a run that nobody here can read come again for ever: a newer version may be on its way. */
const MOST_FOR_NEWER = 2;

/** Has every wake-up there ever was delivered once more, by a queue that is made anew; tells what was written then. */
export async function redeliverAll(
  cluster: Cluster,
  log: JetStreamLog,
  newerRuns: number,
): Promise<Pick<Evidence, 'afterRedelivery' | 'redelivered'>> {
  const { url, token } = cluster.nats;
  const connection = await connect({ servers: url, token });
  try {
    const manager = await jetstreamManager(connection);
    const workers = cluster.members('worker');
    await Promise.all(workers.map((worker) => cluster.end(worker, 'SIGTERM')));
    const before = await writtenByWorkers(log);
    const streams = Array.from({ length: log.partitions }, (_, partition) => streamName(partition));
    for (const stream of streams) await manager.consumers.delete(stream, QUEUE_NAME);
    await Promise.all(workers.map((worker) => cluster.start(worker)));
    const queues = () => Promise.all(streams.map((stream) => manager.consumers.info(stream, QUEUE_NAME)));
    const open = async (): Promise<number> =>
      (await queues()).reduce((sum, queue) => sum + queue.num_pending + queue.num_ack_pending, 0);
    const deadline = Date.now() + PATIENCE_MS;
    while (Date.now() < deadline && (await open()) > newerRuns * MOST_FOR_NEWER) await sleep(200);
    const redelivered = (await queues()).reduce((sum, { delivered }) => sum + delivered.consumer_seq, 0);
    return { redelivered, afterRedelivery: (await writtenByWorkers(log)) - before };
  } finally {
    await connection.close();
  }
}

/** Leases on the controls run out whether or not anything is delivered. */
const writtenByWorkers = async (log: JetStreamLog): Promise<number> =>
  [...(await readAll(log)).values()]
    .flat()
    .filter(({ body }) => (body as Envelope).actor.startsWith('worker:')).length;
