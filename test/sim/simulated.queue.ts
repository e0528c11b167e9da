import type { Network, NetworkWorld } from './network.js';
import { LEASE_MS } from './scenario.js';
import type { SimProcess } from './virtual-time.js';

/** One message of a queue: it comes again until somebody has settled it. */
export interface Queued<T> {
  readonly item: T;
  deliveries: number;
  settled: boolean;
  /** When the server gives it to somebody else, unless it is extended. */
  deadline: number;
}

/** How whoever has a message holds it. */
export interface Hold<T> {
  readonly item: T;
  readonly deliveries: number;
  readonly extend: () => void;
  readonly ack: () => void;
  readonly release: () => void;
}

export interface SimulatedQueue<T> {
  add(item: T): void;
  /** Hands over what `wants` accepts, one message at a time. */
  claim(
    process: SimProcess,
    wants: (item: T) => boolean,
    handle: (hold: Hold<T>) => Promise<void>,
  ): () => void;
  /** Delivers every message once more, in any order, also those that are settled. */
  readonly repeat: () => void;
}

interface Consumer<T> {
  readonly process: SimProcess;
  readonly wants: (item: T) => boolean;
  readonly take: (hold: Hold<T>) => void;
}

const BUFFERED = 8;
const NOBODY_MS = 100;

/** A queue with leases, as a JetStream consumer is one: late holders are not told, and all may get everything twice. */
export function createQueue<T>(world: NetworkWorld, network: Network): SimulatedQueue<T> {
  const { time, random, count } = world;
  const messages: Queued<T>[] = [];
  const consumers: Consumer<T>[] = [];

  function deliver(queued: Queued<T>): void {
    if (queued.settled) return;
    const ready = consumers.filter(({ process, wants }) => process.alive && wants(queued.item));
    if (ready.length === 0 || !network.reachable()) {
      time.after(NOBODY_MS, undefined, () => deliver(queued));
      return;
    }
    if (++queued.deliveries > 1) count('redeliveries');
    queued.deadline = time.now() + LEASE_MS;
    const to = random.pick(ready);
    const send = (arrive: () => void): void => network.send(to.process, arrive);
    const hold = holdOf(queued, () => time.now() + LEASE_MS, send, deliver);
    network.deliver(to.process, () => to.take(hold));
    watchLease(queued, queued.deliveries);
    if (random.chance(world.faults().duplicates)) deliverTwice(queued);
  }

  function watchLease(queued: Queued<T>, deliveries: number): void {
    time.after(queued.deadline - time.now(), undefined, () => {
      if (queued.settled || queued.deliveries !== deliveries) return;
      if (time.now() < queued.deadline) watchLease(queued, deliveries);
      else deliver(queued);
    });
  }

  function deliverTwice(queued: Queued<T>): void {
    count('duplicates');
    time.after(random.int(1, 1_500), undefined, () => deliver(queued));
  }

  return {
    add: (item) => {
      const queued = { item, deliveries: 0, settled: false, deadline: 0 };
      messages.push(queued);
      deliver(queued);
    },
    claim: (process, wants, handle) => {
      const consumer = { process, wants, take: oneAtATime(handle) };
      consumers.push(consumer);
      return () => void consumers.splice(consumers.indexOf(consumer), 1);
    },
    repeat: () => {
      for (const queued of random.shuffled(messages)) {
        queued.settled = false;
        deliver(queued);
      }
    },
  };
}

const holdOf = <T>(
  queued: Queued<T>,
  leaseEnd: () => number,
  send: (arrive: () => void) => void,
  deliver: (queued: Queued<T>) => void,
): Hold<T> => ({
  item: queued.item,
  deliveries: queued.deliveries,
  extend: () =>
    send(() => {
      queued.deadline = Math.max(queued.deadline, leaseEnd());
    }),
  ack: () =>
    send(() => {
      queued.settled = true;
    }),
  release: () => send(() => deliver(queued)),
});

/** The next message when the handler has returned; those that find no room come again. */
function oneAtATime<T>(handle: (hold: Hold<T>) => Promise<void>): (hold: Hold<T>) => void {
  const buffered: Hold<T>[] = [];
  let busy = false;
  const drain = async (): Promise<void> => {
    busy = true;
    for (let next = buffered.shift(); next; next = buffered.shift()) await handle(next);
    busy = false;
  };
  return (hold) => {
    if (buffered.length >= BUFFERED) return;
    buffered.push(hold);
    if (!busy) void drain();
  };
}
