import { eventTypeOf, type Envelope } from '#events/envelope.js';
import { CONTROL_TYPES, partitionOf, WAKE_UP_TYPES } from '#events/subjects.js';
import {
  ConflictError,
  LogUnavailableError,
  type DueTimer,
  type EventLog,
  type Subscription,
  type Timer,
  type WakeUp,
} from '../../src/log/event-log.js';
import { textOf } from '../../src/log/hash-chain.js';
import { storedEvent } from './history.js';
import { createNetwork, type Network, type NetworkWorld } from './network.js';
import { createQueue, type Hold, type SimulatedQueue } from './simulated.queue.js';
import { EPOCH, type Job, type SimProcess } from './virtual-time.js';

/** One event as the server holds it, with the moment it came. */
export interface Kept {
  readonly partition: number;
  readonly seq: number;
  readonly runId: string;
  readonly type: string;
  readonly order: number;
  readonly at: number;
  text: string;
}

export interface SimulatedLog {
  readonly events: readonly Kept[];
  readonly network: Network;
  ofRun(runId: string): readonly Kept[];
  /** The log as one process sees it. */
  connect(process: SimProcess): EventLog;
  hint(runId: string): void;
  /** Delivers every wake-up once more. */
  repeatWakeUps(): void;
}

export interface LogWorld extends NetworkWorld {
  readonly partitions: number;
  /** False to show what the expectation of an append is for. */
  readonly checkConflicts: boolean;
  readonly note: (process: SimProcess | undefined, what: string) => void;
}

const WAKE_UPS: ReadonlySet<string> = new Set(WAKE_UP_TYPES);
const CONTROLS: ReadonlySet<string> = new Set(CONTROL_TYPES);
const APPEND_RETRIES = 2;

/** A server with one store, reached by messages that take their time, get lost, and come twice. */
export function createSimulatedLog(world: LogWorld): SimulatedLog {
  const network = createNetwork(world);
  const store = createStore(world);
  const wakeUps = createQueue<Kept>(world, network);
  const timers = createTimers(world, createQueue<Timer>(world, network));
  const watchers: { process: SimProcess; onControl: (runId: string) => void }[] = [];

  function hint(runId: string): void {
    for (const { process, onControl } of watchers) {
      if (world.random.chance(world.faults().lostHints)) world.count('lost hints');
      else network.deliver(process, () => onControl(runId));
    }
  }

  function take(envelope: Envelope, text: string, afterSeq: number): number | 'conflict' {
    const kept = store.append(envelope, text, afterSeq);
    if (!kept) return 'conflict';
    if (WAKE_UPS.has(kept.type)) wakeUps.add(kept);
    if (CONTROLS.has(kept.type)) hint(kept.runId);
    return kept.seq;
  }

  const connect = (process: SimProcess): EventLog => {
    const read: EventLog['read'] = (runId, afterSeq = 0) =>
      network.request(process, () =>
        store
          .ofRun(runId)
          .filter(({ seq }) => seq > afterSeq)
          .map(storedEvent),
      );
    return {
      partitions: world.partitions,
      read,
      head: (runId) => network.request(process, () => store.ofRun(runId).at(-1)?.seq ?? 0),
      append: appendThrough((...of) => network.request(process, () => take(...of)), read, world.count),
      follow: () => Promise.reject(new Error('nobody follows the log here')),
      claimWakeUps: (partition, onWakeUp) => {
        const isOfPartition = (kept: Kept): boolean => kept.partition === partition;
        return subscribed(wakeUps.claim(process, isOfPartition, (hold) => onWakeUp(wakeUpOf(hold))));
      },
      setTimer: (timer) => network.request(process, () => timers.set(timer)),
      claimTimers: (onDue) =>
        subscribed(
          timers.due.claim(
            process,
            () => true,
            (hold) => onDue(dueTimerOf(hold)),
          ),
        ),
      watchControl: (onControl) => {
        const watcher = { process, onControl };
        watchers.push(watcher);
        return subscribed(() => void watchers.splice(watchers.indexOf(watcher), 1));
      },
      info: () => Promise.resolve([]),
      close: () => Promise.resolve(),
    };
  };

  return { events: store.events, network, ofRun: store.ofRun, connect, hint, repeatWakeUps: wakeUps.repeat };
}

const subscribed = (stop: () => void): Promise<Subscription> =>
  Promise.resolve({ stop: () => Promise.resolve(stop()) });
const wakeUpOf = ({ item, ...hold }: Hold<Kept>): WakeUp => ({ ...hold, event: storedEvent(item) });
const dueTimerOf = ({ item, ack, release }: Hold<Timer>): DueTimer => ({ ...item, ack, release });

/** The events, each run's own apart, and nothing stored by whoever does not know the last one. */
function createStore(world: LogWorld) {
  const events: Kept[] = [];
  const runs = new Map<string, Kept[]>();
  const sizes = Array.from({ length: world.partitions }, () => 0);
  const ofRun = (runId: string): readonly Kept[] => runs.get(runId) ?? [];

  function append(envelope: Envelope, text: string, afterSeq: number): Kept | undefined {
    const runId = envelope.subject;
    if (world.checkConflicts && (ofRun(runId).at(-1)?.seq ?? 0) !== afterSeq) return undefined;
    const { time } = world;
    const partition = partitionOf(runId, world.partitions);
    const seq = ++sizes[partition]!;
    const type = eventTypeOf(envelope);
    const kept: Kept = { partition, seq, runId, type, order: time.tick(), at: time.now(), text };
    events.push(kept);
    runs.set(runId, [...ofRun(runId), kept]);
    world.note(undefined, `stored ${runId.slice(4, 8)}#${envelope.rev} ${type} by ${envelope.actor}`);
    return kept;
  }

  return { events, ofRun, append };
}

/** Durable timers: one a run and name, due on the server's own clock. */
function createTimers({ time, note }: LogWorld, due: SimulatedQueue<Timer>) {
  const pending = new Map<string, Job>();
  const set = (timer: Timer): void => {
    const key = `${timer.runId} ${timer.name}`;
    const earlier = pending.get(key);
    if (earlier) earlier.cancelled = true;
    const ring = (): void => {
      note(undefined, `due ${timer.runId.slice(4, 8)} ${timer.name}`);
      due.add(timer);
    };
    pending.set(key, time.after(Date.parse(timer.dueAt) - EPOCH - time.now(), undefined, ring));
  };
  return { set, due };
}

/** As the JetStream log does it: the same bytes again, and a conflict with our own hash is our own success. */
const appendThrough =
  (
    publish: (envelope: Envelope, text: string, afterSeq: number) => Promise<number | 'conflict'>,
    read: EventLog['read'],
    count: (what: string) => void,
  ): EventLog['append'] =>
  async (envelope, afterSeq) => {
    const text = textOf(envelope);
    for (let attempt = 0; ; attempt++) {
      try {
        const answer = await publish(envelope, text, afterSeq);
        if (answer !== 'conflict') return answer;
        const [stored] = await read(envelope.subject, afterSeq);
        if (stored && (stored.body as Envelope).hash === envelope.hash) return stored.seq;
        throw new ConflictError(envelope.subject, afterSeq);
      } catch (error) {
        if (!(error instanceof LogUnavailableError) || attempt >= APPEND_RETRIES) throw error;
        count('appends sent again');
      }
    }
  };
