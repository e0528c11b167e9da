import {
  DiscardPolicy,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
  type StoredMsg,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { isRunId, TRACES, TRACES_STREAM, traceSubject } from '#events/subjects.js';
import { readPageOf } from './jetstream.reader.js';
import { orUndefined } from './jetstream.streams.js';
import { asTrace, type StoredTrace, type TraceQuery, type Traces } from './traces.js';

const DAY_NS = 24 * 3600 * 1_000_000_000;
const KEPT_DAYS = 7;
/** What the traces of a deployment may take; the oldest go first. */
const MAX_BYTES = 512 * 1024 * 1024;

export async function ensureTraces(
  manager: JetStreamManager,
  { replicas, maxBytes }: { replicas: number; maxBytes: number },
): Promise<void> {
  if (await orUndefined(manager.streams.info(TRACES_STREAM))) return;
  await manager.streams.add({
    name: TRACES_STREAM,
    subjects: [TRACES],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    max_age: KEPT_DAYS * DAY_NS,
    max_bytes: Math.min(MAX_BYTES, maxBytes),
    num_replicas: replicas,
    allow_direct: true,
  });
}

export const createTraces = (connection: NatsConnection, manager: JetStreamManager): Traces => ({
  tell: (trace) => {
    // No acknowledgement is asked for: an action is not held up by the telling of it, and a lost one changes nothing.
    if (!connection.isClosed())
      connection.publish(traceSubject(trace.runId, trace.stepId), JSON.stringify(trace));
  },
  read: (query) => (isRunId(query.runId) ? read(manager, query) : Promise.resolve([])),
});

async function read(
  manager: JetStreamManager,
  { runId, stepId, afterSeq = 0, limit }: TraceQuery,
): Promise<StoredTrace[]> {
  const page = await readPageOf(manager, TRACES_STREAM, traceSubject(runId, stepId), afterSeq + 1, limit);
  return page.flatMap((message) => traceOf(message) ?? []);
}

function traceOf({ seq, data }: StoredMsg): StoredTrace | undefined {
  try {
    return asTrace(seq, JSON.parse(new TextDecoder().decode(data)));
  } catch {
    return undefined;
  }
}
