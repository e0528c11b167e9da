/** A process of the simulation. All that runs, runs for one of them, and stops when it does. */
export interface SimProcess {
  readonly name: string;
  alive: boolean;
  /** Since when it is frozen. */
  frozenAt: number | undefined;
  /** What became due while it was frozen. */
  readonly held: Job[];
}

export const createProcess = (name: string): SimProcess => ({
  name,
  alive: true,
  frozenAt: undefined,
  held: [],
});

export interface Job {
  at: number;
  order: number;
  readonly process: SimProcess | undefined;
  readonly run: () => void;
  cancelled: boolean;
}

export interface VirtualTime {
  /** Milliseconds since the simulation began. */
  now(): number;
  /** Rises with everything that is noted, so that what happens in the same millisecond has an order too. */
  tick(): number;
  /** Runs something later, for a process, or (without one) for the world around them. */
  after(ms: number, process: SimProcess | undefined, run: () => void): Job;
  thaw(process: SimProcess): void;
  /** Goes on until nothing is left, the time is over, or `enough` says so. */
  runUntil(at: number, enough?: () => boolean): Promise<void>;
  /** Replaces the clocks and timers of this realm; returns what puts them back. */
  install(): () => void;
}

/** The calendar time at which every simulation begins. */
export const EPOCH = Date.UTC(2026, 0, 1);
const turnOfTheLoop = globalThis.setImmediate;

/** Virtual time: jobs in the order of their time, one at a time, and all promises settled before the next one. */
export function createVirtualTime(): VirtualTime {
  const queue = createQueue();
  let now = 0;
  let ticks = 0;
  let current: SimProcess | undefined;

  const after: VirtualTime['after'] = (ms, process, run) => {
    const job = { at: now + Math.max(0, ms), order: ++ticks, process, run, cancelled: false };
    queue.push(job);
    return job;
  };

  async function perform(job: Job): Promise<void> {
    if (job.cancelled || job.process?.alive === false) return;
    if (job.process?.frozenAt !== undefined) return void job.process.held.push(job);
    current = job.process;
    job.run();
    await new Promise<void>((resolve) => turnOfTheLoop(() => resolve()));
    current = undefined;
  }

  return {
    now: () => now,
    tick: () => ++ticks,
    after,
    thaw: (process) => {
      process.frozenAt = undefined;
      for (const job of process.held.splice(0)) queue.push(Object.assign(job, { at: now, order: ++ticks }));
    },
    runUntil: async (at, enough = () => false) => {
      for (let job = queue.peek(); job && job.at <= at; job = queue.peek()) {
        if (enough()) return;
        queue.pop();
        now = job.at;
        await perform(job);
      }
      now = at;
    },
    install: () => installClocks({ now: () => now, after: (ms, run) => after(ms, current, run) }),
  };
}

interface Clock {
  now(): number;
  after(ms: number, run: () => void): Job;
}

const REPLACED = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'Date',
  'performance',
] as const;

function installClocks(clock: Clock): () => void {
  const kept = REPLACED.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)!] as const);
  const RealDate = Date;
  class VirtualDate extends RealDate {
    constructor(...of: [] | [number | string]) {
      super(of.length === 0 ? EPOCH + Math.floor(clock.now()) : of[0]);
    }
    static override now(): number {
      return EPOCH + Math.floor(clock.now());
    }
  }
  const clear = (timer: VirtualTimer | undefined): void => timer?.cancel();
  const values = {
    setTimeout: (run: () => void, ms = 0) => timerOf(clock, run, ms, false),
    setInterval: (run: () => void, ms = 0) => timerOf(clock, run, ms, true),
    clearTimeout: clear,
    clearInterval: clear,
    Date: VirtualDate,
    performance: { now: () => clock.now() },
  };
  for (const name of REPLACED)
    Object.defineProperty(globalThis, name, { value: values[name], configurable: true, writable: true });
  return () => {
    for (const [name, descriptor] of kept) Object.defineProperty(globalThis, name, descriptor);
  };
}

interface VirtualTimer {
  cancel(): void;
  ref(): VirtualTimer;
  unref(): VirtualTimer;
}

/** Timers of Node round up to whole milliseconds, and so do these: one that fires early would be our own fault. */
function timerOf(clock: Clock, run: () => void, ms: number, repeats: boolean): VirtualTimer {
  const delay = Math.max(1, Math.ceil(ms));
  let job = clock.after(delay, fire);
  function fire(): void {
    if (repeats) job = clock.after(delay, fire);
    run();
  }
  const timer: VirtualTimer = {
    cancel: () => {
      job.cancelled = true;
    },
    ref: () => timer,
    unref: () => timer,
  };
  return timer;
}

interface Queue {
  push(job: Job): void;
  peek(): Job | undefined;
  pop(): Job | undefined;
}

const isBefore = (a: Job, b: Job): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** A binary heap. */
function createQueue(): Queue {
  const heap: Job[] = [];
  function push(job: Job): void {
    let place = heap.push(job) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!isBefore(job, heap[parent]!)) break;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[place] = job;
  }
  function pop(): Job | undefined {
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || heap.length === 0) return first;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last!)) break;
      heap[place] = heap[child]!;
      place = child;
    }
    heap[place] = last!;
    return first;
  }
  return { push, pop, peek: () => heap[0] };
}
