/** How far the read models have come, and who waits for them. */
export interface Progress {
  /** `runs` are the runs that changed, with their status. */
  advanced(partition: number, seq: number, runs: Readonly<Record<string, string>>): void;
  /** Resolves when a partition is folded up to a sequence; false when that takes longer than `timeoutMs`. */
  reached(partition: number, seq: number, timeoutMs: number): Promise<boolean>;
  /** Resolves when a run's rows have changed to a status that `until` takes; false after `timeoutMs`. */
  changed(runId: string, timeoutMs: number, until: (status: string) => boolean): Promise<boolean>;
  seqOf(partition: number): number;
  /** The last status of a run that changed lately; nothing, when it has been quiet for long. */
  statusOf(runId: string): string | undefined;
}

const REMEMBERED = 4096;

interface Waiter {
  readonly seq: number;
  readonly done: () => void;
}

export function createProgress(): Progress {
  const seqs = new Map<number, number>();
  const waiters = new Map<number, Set<Waiter>>();
  const watchers = new Map<string, Set<(status: string) => void>>();

  const statuses = new Map<string, string>();
  function remember(runs: Readonly<Record<string, string>>): void {
    for (const [runId, status] of Object.entries(runs)) {
      statuses.delete(runId);
      statuses.set(runId, status);
    }
    for (const runId of statuses.keys()) {
      if (statuses.size <= REMEMBERED) break;
      statuses.delete(runId);
    }
  }

  const seqOf = (partition: number): number => seqs.get(partition) ?? 0;

  return {
    seqOf,
    statusOf: (runId) => statuses.get(runId),
    advanced: (partition, seq, runs) => {
      seqs.set(partition, seq);
      for (const waiter of waiters.get(partition) ?? []) if (waiter.seq <= seq) waiter.done();
      remember(runs);
      if (watchers.size === 0) return;
      for (const [runId, status] of Object.entries(runs))
        for (const see of watchers.get(runId) ?? []) see(status);
    },
    reached: (partition, seq, timeoutMs) => {
      if (seqOf(partition) >= seq) return Promise.resolve(true);
      const set = waiters.get(partition) ?? new Set<Waiter>();
      waiters.set(partition, set);
      return waitFor(timeoutMs, (done) => {
        const waiter = { seq, done };
        set.add(waiter);
        return () => set.delete(waiter);
      });
    },
    changed: (runId, timeoutMs, until) =>
      waitFor(timeoutMs, (done) => {
        const see = (status: string) => {
          if (until(status)) done();
        };
        const set = watchers.get(runId) ?? new Set();
        watchers.set(runId, set.add(see));
        return () => {
          if (set.delete(see) && set.size === 0) watchers.delete(runId);
        };
      }),
  };
}

/** True when `subscribe`'s callback was called in time. */
function waitFor(timeoutMs: number, subscribe: (done: () => void) => () => void): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (reached: boolean) => {
      clearTimeout(timer);
      unsubscribe();
      resolve(reached);
    };
    const timer = setTimeout(() => settle(false), timeoutMs).unref();
    const unsubscribe = subscribe(() => settle(true));
  });
}
