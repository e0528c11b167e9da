import { connect, type NatsConnection } from '@nats-io/transport-node';
import {
  DeliverPolicy,
  jetstream,
  jetstreamManager,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
} from '@nats-io/jetstream';
import { eventTypeOf, type Envelope } from '#events/envelope.js';
import {
  CONTROL_TYPES,
  eventSubject,
  isRunId,
  partitionOf,
  runSubject,
  streamName,
  typeSubject,
} from '#events/subjects.js';
import {
  ConflictError,
  LogRefusedError,
  LogUnavailableError,
  type EventLog,
  type PartitionInfo,
  type Subscription,
  type WakeUp,
} from './event-log.js';
import { newId } from '../ids.js';
import type { Desktops } from './desktops.js';
import { createNatsDesktops } from './nats.desktops.js';
import type { Traces } from './traces.js';
import { textOf } from './hash-chain.js';
import { follow, headOf, LISTENING, readRun, stoppable, storedEvent } from './jetstream.reader.js';
import { createPublisher, type Publisher } from './jetstream.publisher.js';
import { claimTimers, ensureTimers, setTimer } from './jetstream.timers.js';
import { createTraces, ensureTraces } from './jetstream.traces.js';
import { ensureStreams, QUEUE_NAME, type StreamSettings } from './jetstream.streams.js';

export interface JetStreamSettings extends StreamSettings {
  readonly url: string;
  readonly token?: string | undefined;
  /** How long one append may wait for its acknowledgement before it is sent again. */
  readonly appendTimeoutMs: number;
  /** How often an append with an unknown outcome is sent again before the log counts as unavailable. */
  readonly appendRetries: number;
  /** False only in tests that show what the expectation is for. */
  readonly checkConflicts?: boolean;
  /** How many events `follow` hands over at most at once. */
  readonly batchSize: number;
}

export interface JetStreamLog extends EventLog {
  readonly url: string;
  readonly serverVersion: string;
  readonly replicas: number;
  readonly traces: Traces;
  readonly desktops: Desktops;
}

const WRONG_LAST_SEQUENCE = 10071;

/** The event log on NATS JetStream. Creates the streams of a new deployment. */
export async function openJetStreamLog(settings: JetStreamSettings): Promise<JetStreamLog> {
  const connection = await connectTo(settings);
  try {
    return await openOn(connection, settings);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

async function openOn(connection: NatsConnection, settings: JetStreamSettings): Promise<JetStreamLog> {
  const manager = await jetstreamManager(connection);
  const client = jetstream(connection);
  const partitions = await ensureStreams(manager, settings);
  await ensureTimers(manager, settings);
  await ensureTraces(manager, settings);
  const { appendTimeoutMs, checkConflicts = true } = settings;
  const publisher = createPublisher(connection, appendTimeoutMs, checkConflicts);
  const first = await manager.streams.info(streamName(0));
  const read = (runId: string, afterSeq = 0) =>
    isRunId(runId) ? readRun(manager, partitionOf(runId, partitions), runId, afterSeq) : Promise.resolve([]);

  return {
    partitions,
    url: settings.url,
    serverVersion: connection.info?.version ?? '0.0.0',
    replicas: first.config.num_replicas,
    traces: createTraces(connection, manager),
    desktops: createNatsDesktops(connection),
    read,
    head: (runId) => headOf(manager, partitionOf(runId, partitions), runId),
    append: (envelope, afterSeq) => append({ publisher, partitions, settings, read }, envelope, afterSeq),
    follow: (partition, afterSeq, onBatch) =>
      follow(client, partition, afterSeq, settings.batchSize, onBatch),
    claimWakeUps: (partition, onWakeUp) => claimWakeUps(client, partition, onWakeUp),
    setTimer: (timer) => setTimer(client, timer),
    claimTimers: (onDue) => claimTimers(client, onDue),
    watchControl: (onControl) => watchControl(client, partitions, onControl),
    info: () => Promise.all(Array.from({ length: partitions }, (_, partition) => infoOf(manager, partition))),
    close: async () => {
      publisher.close();
      await connection.close();
    },
  };
}

async function connectTo(settings: JetStreamSettings): Promise<NatsConnection> {
  try {
    return await connect({
      servers: settings.url,
      ...(settings.token && { token: settings.token }),
      noAsyncTraces: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      name: 'skyagent',
    });
  } catch (error) {
    throw new LogUnavailableError(`cannot reach NATS at ${settings.url}`, { cause: error });
  }
}

interface Appender {
  readonly publisher: Publisher;
  readonly partitions: number;
  readonly settings: JetStreamSettings;
  readonly read: EventLog['read'];
}

/**
 * A time-out leaves the outcome unknown, so the same bytes go again with the same expectation. The server checks the
 * expectation before it looks for duplicates, so a conflict whose stored event has our hash is our own success.
 */
async function append(appender: Appender, envelope: Envelope, afterSeq: number): Promise<number> {
  const runId = envelope.subject;
  const partition = partitionOf(runId, appender.partitions);
  const subject = eventSubject(partition, runId, eventTypeOf(envelope));
  const guard = runSubject(partition, runId);
  const body = Buffer.from(textOf(envelope));
  for (let attempt = 0; ; attempt++) {
    try {
      const ack = await appender.publisher.publish(subject, guard, afterSeq, body);
      // A refusal carries `seq: 0` too: only an answer without an error is an acknowledgement.
      if (!ack.error && ack.seq) return ack.seq;
      if (ack.error?.err_code !== WRONG_LAST_SEQUENCE)
        throw new LogRefusedError(`the log refused an event of ${runId}: ${ack.error?.description}`);
      return await ownEarlierAppend(appender, envelope, afterSeq);
    } catch (error) {
      if (!(error instanceof LogUnavailableError) || attempt >= appender.settings.appendRetries)
        throw asLogError(error, runId);
    }
  }
}

const asLogError = (error: unknown, runId: string): Error =>
  error instanceof Error && error.message.includes('max_payload')
    ? new LogRefusedError(`an event of ${runId} is larger than the log takes`, { cause: error })
    : (error as Error);

async function ownEarlierAppend(appender: Appender, envelope: Envelope, afterSeq: number): Promise<number> {
  const [stored] = await appender.read(envelope.subject, afterSeq);
  if (stored && (stored.body as Partial<Envelope>).hash === envelope.hash) return stored.seq;
  throw new ConflictError(envelope.subject, afterSeq);
}

async function claimWakeUps(
  client: JetStreamClient,
  partition: number,
  onWakeUp: (wakeUp: WakeUp) => Promise<void>,
): Promise<Subscription> {
  const consumer = await client.consumers.get(streamName(partition), QUEUE_NAME);
  const messages = await consumer.consume({ max_messages: 32, ...LISTENING });
  const done = (async () => {
    for await (const message of messages) await onWakeUp(wakeUpOf(partition, message));
  })();
  return stoppable(messages, done);
}

const wakeUpOf = (partition: number, message: JsMsg): WakeUp => ({
  event: storedEvent(partition, message),
  deliveries: message.info.deliveryCount,
  extend: () => message.working(),
  ack: () => message.ack(),
  release: () => message.nak(),
});

/**
 * From the streams, not from the subjects: a subscriber hears an event when it is sent, which is before it is stored, and
 * an owner that looks into the log then finds nothing and is not told again.
 */
async function watchControl(
  client: JetStreamClient,
  partitions: number,
  onControl: (runId: string) => void,
): Promise<Subscription> {
  const watches = await Promise.all(
    Array.from({ length: partitions }, (_, partition) => watchPartition(client, partition, onControl)),
  );
  return {
    stop: async () => {
      await Promise.all(watches.map((watch) => watch.stop()));
    },
  };
}

async function watchPartition(
  client: JetStreamClient,
  partition: number,
  onControl: (runId: string) => void,
): Promise<Subscription> {
  const consumer = await client.consumers.get(streamName(partition), {
    name_prefix: `control-${newId()}`,
    deliver_policy: DeliverPolicy.New,
    filter_subjects: CONTROL_TYPES.map((type) => typeSubject(type, partition)),
  });
  const messages = await consumer.consume({ max_messages: 256, ...LISTENING });
  const done = (async () => {
    for await (const message of messages) onControl(message.subject.split('.')[3]!);
  })();
  return stoppable(messages, done);
}

async function infoOf(manager: JetStreamManager, partition: number): Promise<PartitionInfo> {
  const { state } = await manager.streams.info(streamName(partition));
  return {
    partition,
    firstSeq: state.first_seq,
    lastSeq: state.last_seq,
    lost: state.lost?.msgs?.length ?? 0,
  };
}
