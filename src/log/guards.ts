import semver from 'semver';
import { ReadOnlyLogError, type EventLog } from './event-log.js';
import type { JetStreamLog } from './jetstream.log.js';
import { MIN_NATS_VERSION } from './embedded/nats-binary.js';

export type Durability = 'strict' | 'sync-always' | 'relaxed';

export interface GuardFacts {
  readonly embedded: boolean;
  readonly durability: Durability;
}

/** What makes a log unsafe to write to. Nothing, when all is well. */
export async function logProblems(
  log: JetStreamLog,
  { embedded, durability }: GuardFacts,
): Promise<string[]> {
  const problems: string[] = [];
  if (semver.lt(semver.coerce(log.serverVersion) ?? '0.0.0', MIN_NATS_VERSION)) {
    problems.push(`nats-server ${log.serverVersion} is too old: ${MIN_NATS_VERSION} or newer is needed`);
  }
  if (!embedded && durability === 'strict' && log.replicas < 3) {
    problems.push(
      `the streams have ${log.replicas} replica(s) and fsync on every write is not certain: use 3 replicas, or set SKYAGENT_DURABILITY`,
    );
  }
  for (const { partition, lost } of await log.info()) {
    if (lost > 0) problems.push(`partition ${partition} has lost ${lost} message(s)`);
  }
  return problems;
}

/** A log that refuses appends while `reasons` is not empty. */
export const guarded = (log: EventLog, reasons: () => readonly string[]): EventLog => ({
  ...log,
  append: (envelope, afterSeq) => {
    const why = reasons();
    return why.length > 0 ? Promise.reject(new ReadOnlyLogError(why)) : log.append(envelope, afterSeq);
  },
});
