import {
  DeliverPolicy,
  JetStreamError,
  type ConsumerMessages,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  type StoredMsg,
} from '@nats-io/jetstream';
import { runSubject, streamName } from '#events/subjects.js';
import { newId } from '../ids.js';
import { LogUnavailableError, type StoredEvent, type Subscription } from './event-log.js';

const READ_BATCH = 1000;
/** Less than what the server sends at once on its own account, so that a page never overruns a slow reader. */
const READ_BYTES = 16 * 1024 * 1024;
const READ_TIMEOUT_MS = 10_000;
/** The server's status for a read that finds nothing. */
const NO_MESSAGE = 404;

/** The events of one run after a sequence, in order. */
export async function readRun(
  manager: JetStreamManager,
  partition: number,
  runId: string,
  afterSeq: number,
): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for (let from = afterSeq + 1; ; from = events.at(-1)!.seq + 1) {
    const page = await readPage(manager, partition, runId, from);
    for (const message of page) events.push({ partition, seq: message.seq, body: parse(message.data) });
    // A page may be short of the batch because it is large: only the server knows whether it was the last.
    if ((page.at(-1)?.pending ?? 0) === 0) return events;
  }
}

/**
 * The sequence of a run's last event. Asked of the stream's leader, and not by a direct get, which any copy answers: in a
 * cluster a copy may not have heard of the newest event yet.
 */
export async function headOf(manager: JetStreamManager, partition: number, runId: string): Promise<number> {
  const query = { last_by_subj: runSubject(partition, runId) };
  try {
    return (await manager.streams.getMessage(streamName(partition), query))?.seq ?? 0;
  } catch (error) {
    throw new LogUnavailableError('the log could not be read', { cause: error });
  }
}

const readPage = (
  manager: JetStreamManager,
  partition: number,
  runId: string,
  from: number,
): Promise<StoredMsg[]> =>
  readPageOf(manager, streamName(partition), runSubject(partition, runId), from, READ_BATCH);

/**
 * Messages of a stream under a subject, from a sequence on. The callback form, because the client's iterator of a batch
 * leaves its subscription open for good.
 */
export async function readPageOf(
  manager: JetStreamManager,
  stream: string,
  subject: string,
  from: number,
  batch: number,
): Promise<StoredMsg[]> {
  const messages: StoredMsg[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<StoredMsg[]>();
  const timer = setTimeout(
    () => reject(new Error(`no answer within ${READ_TIMEOUT_MS} ms`)),
    READ_TIMEOUT_MS,
  );
  try {
    const request = await manager.direct.getBatch(stream, {
      seq: from,
      next_by_subj: subject,
      batch,
      max_bytes: READ_BYTES,
      callback: (done, message) => {
        if (!done) messages.push(message);
        else if (done.err && !isNothingFound(done.err)) reject(done.err);
        else resolve(messages);
      },
    });
    return await promise.finally(() => request.stop());
  } catch (error) {
    throw new LogUnavailableError('the log could not be read', { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

const isNothingFound = (error: Error): boolean =>
  error instanceof JetStreamError && 'code' in error && error.code === NO_MESSAGE;

/** A body that is not JSON is handed on as what it is; decoding calls it invalid. */
function parse(data: Uint8Array): unknown {
  const text = new TextDecoder().decode(data);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export const storedEvent = (partition: number, message: JsMsg): StoredEvent => ({
  partition,
  seq: message.seq,
  body: parse(message.data),
});

/**
 * A restarted server knows nothing of who follows it, and says so by silence: after two heartbeats without one, the
 * client begins anew where it was. Its own 15 s would leave readers 45 s behind.
 */
export const LISTENING = { expires: 10_000, idle_heartbeat: 1_000 };

/** Every event of a partition after a sequence, in batches, then live ones. */
export async function follow(
  client: JetStreamClient,
  partition: number,
  afterSeq: number,
  batchSize: number,
  onBatch: (batch: StoredEvent[]) => void | Promise<void>,
): Promise<Subscription> {
  const consumer = await client.consumers.get(streamName(partition), {
    // Of its own: two followers under one name would share the events between them.
    name_prefix: `follow-${newId()}`,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: afterSeq + 1,
  });
  const messages = await consumer.consume({
    max_messages: batchSize * 4,
    ...LISTENING,
  });
  const done = gather(messages, batchSize, (batch) =>
    onBatch(batch.map((message) => storedEvent(partition, message))),
  );
  return stoppable(messages, done);
}

/** Hands over what has arrived by the time the handler is free again, so that a busy stream makes large batches. */
async function gather(
  messages: ConsumerMessages,
  batchSize: number,
  onBatch: (batch: JsMsg[]) => void | Promise<void>,
): Promise<void> {
  let batch: JsMsg[] = [];
  let flushing: Promise<void> | undefined;
  const flush = async () => {
    await new Promise(setImmediate);
    while (batch.length > 0) {
      const full = batch.slice(0, batchSize);
      batch = batch.slice(batchSize);
      await onBatch(full);
    }
    flushing = undefined;
  };
  for await (const message of messages) {
    batch.push(message);
    flushing ??= flush();
    if (batch.length >= batchSize) await flushing;
  }
  await flushing;
}

export const stoppable = (messages: ConsumerMessages, done: Promise<void>): Subscription => ({
  stop: async () => {
    await messages.close();
    await done;
  },
});
