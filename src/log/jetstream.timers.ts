import {
  AckPolicy,
  StorageType,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
} from '@nats-io/jetstream';
import { dueSubject, TIMERS_DUE, TIMERS_SET, TIMERS_STREAM, timerSubject } from '#events/subjects.js';
import { LogUnavailableError, type DueTimer, type Subscription, type Timer } from './event-log.js';
import { LISTENING, stoppable } from './jetstream.reader.js';
import { orUndefined } from './jetstream.streams.js';

const CONSUMER = 'due';
const MS = 1_000_000;
/** How long a due timer is kept for workers that are not there. */
const KEEP_DUE = '720h';

/** The stream of durable timers: the server itself republishes each message at its time. */
export async function ensureTimers(
  manager: JetStreamManager,
  { replicas, ackWaitMs }: { replicas: number; ackWaitMs: number },
): Promise<void> {
  if (!(await orUndefined(manager.streams.info(TIMERS_STREAM)))) {
    await manager.streams.add({
      name: TIMERS_STREAM,
      subjects: [TIMERS_SET, TIMERS_DUE],
      storage: StorageType.File,
      num_replicas: replicas,
      allow_msg_schedules: true,
      allow_msg_ttl: true,
      allow_direct: true,
    });
  }
  if (await orUndefined(manager.consumers.info(TIMERS_STREAM, CONSUMER))) return;
  await manager.consumers.add(TIMERS_STREAM, {
    durable_name: CONSUMER,
    ack_policy: AckPolicy.Explicit,
    ack_wait: ackWaitMs * MS,
    filter_subjects: [TIMERS_DUE],
  });
}

/** Sets a timer; one of the same run and name is replaced. */
export async function setTimer(client: JetStreamClient, timer: Timer): Promise<void> {
  try {
    await client.publish(timerSubject(timer.runId, timer.name), JSON.stringify(timer), {
      schedule: {
        specification: new Date(timer.dueAt),
        target: dueSubject(timer.runId, timer.name),
        ttl: KEEP_DUE,
      },
    });
  } catch (error) {
    throw new LogUnavailableError(`timer ${timer.name} of ${timer.runId} could not be set`, { cause: error });
  }
}

/** Hands over timers that are due; one that is not settled within the lease comes again. */
export async function claimTimers(
  client: JetStreamClient,
  onDue: (due: DueTimer) => Promise<void>,
): Promise<Subscription> {
  const consumer = await client.consumers.get(TIMERS_STREAM, CONSUMER);
  const messages = await consumer.consume({ max_messages: 64, ...LISTENING });
  const done = (async () => {
    for await (const message of messages) await onDue(dueTimer(message));
  })();
  return stoppable(messages, done);
}

const dueTimer = (message: JsMsg): DueTimer => ({
  ...message.json<Timer>(),
  ack: () => message.ack(),
  release: () => message.nak(1_000),
});
