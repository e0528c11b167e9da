import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import type { StoredEvent } from '../log/event-log.js';
import { openJetStreamLog, type JetStreamSettings } from '../log/jetstream.log.js';
import { openDatabase } from './database.js';
import { createProjector, type Batch } from './projector.js';

export interface ProjectorThreadData {
  readonly log: JetStreamSettings;
  readonly file: string;
}

/** Folds the log into SQLite on a thread of its own, so that requests and runs do not wait for it. */
const { log: settings, file } = workerData as ProjectorThreadData;
const database = await openDatabase(file);
const log = await openJetStreamLog(settings);
const projector = createProjector(database.db, (stored) =>
  parentPort!.postMessage({ kind: 'bad-event', partition: stored.partition, seq: stored.seq }),
);
const partitions = Array.from({ length: log.partitions }, (_, partition) => partition);

/** Batches of all partitions that have come in since the last transaction, and who waits for them to be folded. */
let waiting: { batch: Batch; done: () => void }[] = [];
let flushing = false;
/** Events of the last transaction. */
let folded = 0;

/** A transaction of this many events tells that more are on their way: waiting a little makes one of several. */
const BUSY_EVENTS = 8;
const GATHER_MS = 10;

async function flush(): Promise<void> {
  flushing = true;
  while (waiting.length > 0) {
    await (folded >= BUSY_EVENTS ? sleep(GATHER_MS) : new Promise(setImmediate));
    const taken = waiting;
    waiting = [];
    folded = taken.reduce((sum, { batch }) => sum + batch.events.length, 0);
    const advances = projector.fold(taken.map(({ batch }) => batch));
    parentPort!.postMessage({ kind: 'advanced', advances });
    for (const { done } of taken) done();
  }
  flushing = false;
}

const enqueue = (partition: number, events: readonly StoredEvent[]): Promise<void> =>
  new Promise((done) => {
    waiting.push({ batch: { partition, events }, done });
    // A fold that fails ends the thread: rows must not go on without the event that could not be folded.
    if (!flushing) void flush();
  });

const subscriptions = await Promise.all(
  partitions.map((partition) =>
    log.follow(partition, projector.checkpoint(partition), (batch) => enqueue(partition, batch)),
  ),
);
parentPort!.on('message', (message: unknown) => {
  if (message === 'stop') void stop();
});
parentPort!.postMessage({
  kind: 'ready',
  checkpoints: partitions.map((partition) => projector.checkpoint(partition)),
});

async function stop(): Promise<void> {
  await Promise.all(subscriptions.map((subscription) => subscription.stop()));
  await log.close();
  await database.close();
  parentPort!.postMessage({ kind: 'stopped' });
  parentPort!.close();
}
