import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';
import { LogUnavailableError } from './event-log.js';
import { partitionSubject, streamName, typeSubject, WAKE_UP_TYPES } from '#events/subjects.js';

export const PARTITIONS_KEY = 'skyagent-partitions';
export const QUEUE_NAME = 'wake-ups';
const MS = 1_000_000;

export interface StreamSettings {
  /** How many partitions a new deployment gets; an existing one keeps the number it was created with. */
  readonly partitions: number;
  readonly replicas: number;
  readonly maxBytes: number;
  readonly ackWaitMs: number;
}

/** Creates what is missing and answers how many partitions this deployment has, for good. */
export async function ensureStreams(manager: JetStreamManager, settings: StreamSettings): Promise<number> {
  const partitions = (await recordedPartitions(manager)) ?? settings.partitions;
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  await Promise.all(all.map((partition) => ensurePartition(manager, partition, partitions, settings)));
  return partitions;
}

async function recordedPartitions(manager: JetStreamManager): Promise<number | undefined> {
  const first = await orUndefined(manager.streams.info(streamName(0)));
  const recorded = first?.config.metadata?.[PARTITIONS_KEY];
  return recorded === undefined ? undefined : Number(recorded);
}

async function ensurePartition(
  manager: JetStreamManager,
  partition: number,
  partitions: number,
  settings: StreamSettings,
): Promise<void> {
  const stream = streamName(partition);
  const config: Partial<StreamConfig> & { name: string } = {
    name: stream,
    subjects: [partitionSubject(partition)],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    max_bytes: settings.maxBytes,
    num_replicas: settings.replicas,
    deny_delete: true,
    deny_purge: true,
    allow_direct: true,
    metadata: { [PARTITIONS_KEY]: String(partitions) },
  };
  if (!(await orUndefined(manager.streams.info(stream)))) await addStream(manager, config);
  await ensureQueue(manager, stream, partition, settings.ackWaitMs * MS);
}

const NO_ROOM: ReadonlySet<number> = new Set([10002, 10023, 10047]);

async function addStream(
  manager: JetStreamManager,
  config: Partial<StreamConfig> & { name: string },
): Promise<void> {
  try {
    await manager.streams.add(config);
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || !NO_ROOM.has(error.code)) throw error;
    throw new LogUnavailableError(
      `NATS has no room for the stream ${config.name} of ${config.max_bytes} bytes: ` +
        `lower SKYAGENT_MAX_STREAM_BYTES, or raise the server's max_file_store`,
      { cause: error },
    );
  }
}

/** Owners send heartbeats by the lease that is set now: an older, shorter one in the queue would take their runs away. */
async function ensureQueue(
  manager: JetStreamManager,
  stream: string,
  partition: number,
  ackWait: number,
): Promise<void> {
  const queue = await orUndefined(manager.consumers.info(stream, QUEUE_NAME));
  const filter_subjects = WAKE_UP_TYPES.map((type) => typeSubject(type, partition));
  if (queue) {
    const wakes = queue.config.filter_subjects ?? [];
    const same =
      wakes.length === filter_subjects.length && filter_subjects.every((each) => wakes.includes(each));
    if (same && queue.config.ack_wait === ackWait) return;
    return void (await manager.consumers.update(stream, QUEUE_NAME, { ack_wait: ackWait, filter_subjects }));
  }
  await manager.consumers.add(stream, {
    durable_name: QUEUE_NAME,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: ackWait,
    max_ack_pending: 10_000,
    filter_subjects,
  });
}

const NOT_FOUND: ReadonlySet<number> = new Set([10059, 10014]);

export async function orUndefined<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof JetStreamApiError && NOT_FOUND.has(error.code)) return undefined;
    throw error;
  }
}
