import { eventTypeOf, type Envelope } from '#events/envelope.js';
import { CONTROL_TYPES, partitionOf, WAKE_UP_TYPES } from '#events/subjects.js';
import {
  ConflictError,
  type DueTimer,
  type EventLog,
  type PartitionInfo,
  type StoredEvent,
  type Subscription,
  type Timer,
  type WakeUp,
} from './event-log.js';

interface Waiting {
  readonly event: StoredEvent;
  deliveries: number;
}

interface Partition {
  readonly events: StoredEvent[];
  readonly waiting: Waiting[];
  readonly listeners: Set<() => void>;
}

const WAKE_UPS: ReadonlySet<string> = new Set(WAKE_UP_TYPES);
const CONTROLS: ReadonlySet<string> = new Set(CONTROL_TYPES);

/** An event log in memory, for unit tests and simulation: the same rules, no durability. */
export function createMemoryLog(partitions = 1): EventLog {
  const store = Array.from({ length: partitions }, (): Partition => ({
    events: [],
    waiting: [],
    listeners: new Set(),
  }));
  const controlListeners = new Set<(runId: string) => void>();
  const timers = createTimers();
  const partitionFor = (runId: string) => store[partitionOf(runId, partitions)]!;
  const subjectOf = (stored: StoredEvent) => (stored.body as Envelope).subject;

  const read = (runId: string, afterSeq = 0): Promise<StoredEvent[]> =>
    Promise.resolve(
      partitionFor(runId)
        .events.slice(afterSeq)
        .filter((stored) => subjectOf(stored) === runId)
        .map((stored) => structuredClone(stored)),
    );

  /** Checks and stores without a pause between, so that a race has one winner. */
  function append(envelope: Envelope, afterSeq: number): number {
    const runId = envelope.subject;
    const partition = partitionFor(runId);
    const ofRun = partition.events.filter((stored) => subjectOf(stored) === runId);
    if ((ofRun.at(-1)?.seq ?? 0) !== afterSeq) {
      const next = ofRun.find(({ seq }) => seq > afterSeq);
      if (next && (next.body as Envelope).hash === envelope.hash) return next.seq;
      throw new ConflictError(runId, afterSeq);
    }
    const stored = {
      partition: store.indexOf(partition),
      seq: partition.events.length + 1,
      body: JSON.parse(JSON.stringify(envelope)) as unknown,
    };
    partition.events.push(stored);
    const type = eventTypeOf(envelope);
    if (WAKE_UPS.has(type)) partition.waiting.push({ event: stored, deliveries: 0 });
    for (const listener of partition.listeners) listener();
    if (CONTROLS.has(type)) for (const listener of controlListeners) listener(runId);
    return stored.seq;
  }

  const claim = (partition: Partition, waiting: Waiting): WakeUp => ({
    event: structuredClone(waiting.event),
    deliveries: ++waiting.deliveries,
    extend: () => undefined,
    ack: () => undefined,
    release: () => {
      partition.waiting.push(waiting);
      for (const listener of partition.listeners) listener();
    },
  });

  return {
    partitions,
    append: async (envelope, afterSeq) => append(envelope, afterSeq),
    read,
    head: async (runId) => (await read(runId)).at(-1)?.seq ?? 0,
    follow: (partition, afterSeq, onBatch) => {
      let seen = afterSeq;
      return pump(store[partition]!, async () => {
        const batch = store[partition]!.events.slice(seen);
        if (batch.length === 0) return false;
        seen += batch.length;
        await onBatch(structuredClone(batch));
        return true;
      });
    },
    claimWakeUps: (partition, onWakeUp) =>
      pump(store[partition]!, async () => {
        const waiting = store[partition]!.waiting.shift();
        if (!waiting) return false;
        await onWakeUp(claim(store[partition]!, waiting));
        return true;
      }),
    setTimer: (timer) => {
      timers.set(timer);
      return Promise.resolve();
    },
    claimTimers: (onDue) => timers.claim(onDue),
    watchControl: (onControl) => {
      controlListeners.add(onControl);
      return Promise.resolve({ stop: () => Promise.resolve(void controlListeners.delete(onControl)) });
    },
    info: () => Promise.resolve(store.map((partition, number) => infoOf(partition, number))),
    close: () => {
      timers.close();
      return Promise.resolve();
    },
  };
}

/** Timers on the clock of this process. */
function createTimers() {
  const pending = new Map<string, NodeJS.Timeout>();
  const due: Timer[] = [];
  let onDue: ((due: DueTimer) => Promise<void>) | undefined;
  let handing: Promise<void> = Promise.resolve();

  const hand = (): void => {
    const handler = onDue;
    if (!handler) return;
    for (const timer of due.splice(0)) {
      const release = () => void setTimeout(() => ring(timer), 1_000).unref();
      handing = handing.then(() => handler({ ...timer, ack: () => undefined, release }));
    }
  };
  const ring = (timer: Timer): void => {
    // The clock of timeouts may run ahead of the calendar by a millisecond.
    if (Date.now() < Date.parse(timer.dueAt)) return void setTimeout(() => ring(timer), 1).unref();
    due.push(timer);
    hand();
  };
  return {
    set: (timer: Timer): void => {
      const key = `${timer.runId} ${timer.name}`;
      clearTimeout(pending.get(key));
      const waitMs = Math.max(0, Date.parse(timer.dueAt) - Date.now());
      pending.set(
        key,
        setTimeout(() => ring(timer), waitMs),
      );
      pending.get(key)!.unref();
    },
    claim: (handler: (due: DueTimer) => Promise<void>): Promise<Subscription> => {
      onDue = handler;
      hand();
      return Promise.resolve({
        stop: async () => {
          if (onDue === handler) onDue = undefined;
          await handing;
        },
      });
    },
    close: (): void => {
      for (const handle of pending.values()) clearTimeout(handle);
    },
  };
}

const infoOf = (partition: Partition, number: number): PartitionInfo => ({
  partition: number,
  firstSeq: partition.events.length > 0 ? 1 : 0,
  lastSeq: partition.events.length,
  lost: 0,
});

/** Calls `work` until it answers false, then again whenever the partition has something new. */
function pump(partition: Partition, work: () => Promise<boolean>): Promise<Subscription> {
  let stopped = false;
  let woken = false;
  let running: Promise<void> | undefined;
  const drain = async () => {
    // What is written while `work` is about to answer false wakes nobody else: the flag keeps it.
    while (!stopped && woken) {
      woken = false;
      while (!stopped && (await work()));
    }
    running = undefined;
  };
  const wake = () => {
    woken = true;
    if (!stopped) running ??= drain();
  };
  partition.listeners.add(wake);
  wake();
  return Promise.resolve({
    stop: async () => {
      stopped = true;
      partition.listeners.delete(wake);
      await running;
    },
  });
}
