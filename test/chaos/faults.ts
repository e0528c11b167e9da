import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, Kind } from './cluster.js';
import type { Random } from './random.js';

/** What may happen to a process, and how often beside the others. */
const WEIGHTS = {
  'kill worker': 44,
  'kill starting worker': 2,
  'stop worker': 3,
  'freeze worker': 24,
  'kill gateway': 8,
  'freeze gateway': 3,
  'kill nats-server': 18,
  'freeze nats-server': 2,
} as const;
export type Fault = keyof typeof WEIGHTS;
export const isKill = (fault: Fault): boolean => fault.startsWith('kill');

export interface FaultOptions {
  readonly cluster: Cluster;
  readonly random: Random;
  readonly leaseMs: number;
  /** Mean time between two faults. */
  readonly everyMs: number;
  /** What is left alone. */
  readonly spare?: ReadonlySet<Fault> | undefined;
  /** Called while a gateway is dead, before its successor starts. */
  onGatewayDead(): void;
}

export interface Injector {
  readonly counts: Readonly<Partial<Record<Fault, number>>>;
  /** Ends when `signal` is aborted and every fault that has begun is over. */
  run(signal: AbortSignal): Promise<void>;
}

const LONGEST_ABSENCE_MS = 400;
/** When there was nobody to hurt in the way that was chosen, another way is chosen this much later. */
const NOBODY_MS = 50;

/** Hurts the processes of a cluster at random, and starts again what it has killed. */
export function createInjector(options: FaultOptions): Injector {
  const { cluster, random, leaseMs, everyMs } = options;
  const counts: Partial<Record<Fault, number>> = {};
  const absenceMs = () => random.between(0, LONGEST_ABSENCE_MS);

  /** Whether there was somebody to hurt. */
  function inject(fault: Fault): Promise<void> | undefined {
    const frozenMs = random.between(Math.round(leaseMs * 1.2), leaseMs * 3);
    const away = absenceMs();
    switch (fault) {
      case 'kill worker':
        return end('worker', 'SIGKILL', away);
      case 'kill starting worker':
        return end('worker', 'SIGKILL', away, 'starting');
      case 'stop worker':
        return end('worker', 'SIGTERM', away);
      case 'freeze worker':
        return freeze('worker', frozenMs);
      case 'kill gateway':
        return end('gateway', 'SIGKILL', away);
      case 'freeze gateway':
        return freeze('gateway', frozenMs);
      case 'kill nats-server':
        return cluster.killNats();
      case 'freeze nats-server':
        return cluster.freezeNats(frozenMs);
    }
  }

  function end(
    kind: Kind,
    signal: NodeJS.Signals,
    awayMs: number,
    state: 'up' | 'starting' = 'up',
  ): Promise<void> | undefined {
    const candidates = cluster.members(kind, state);
    if (candidates.length === 0) return undefined;
    const member = random.pick(candidates);
    return cluster.end(member, signal).then(async () => {
      if (kind === 'gateway') options.onGatewayDead();
      await sleep(awayMs);
      await cluster.start(member);
    });
  }

  function freeze(kind: Kind, ms: number): Promise<void> | undefined {
    const candidates = cluster.members(kind, 'up');
    return candidates.length > 0 ? cluster.freeze(random.pick(candidates), ms) : undefined;
  }

  return {
    counts,
    run: async (signal) => {
      const going = new Set<Promise<void>>();
      while (!signal.aborted) {
        const fault = random.weighted(WEIGHTS);
        const injected = options.spare?.has(fault) ? undefined : inject(fault);
        if (injected) {
          counts[fault] = (counts[fault] ?? 0) + 1;
          const tracked: Promise<void> = injected
            // Nothing was hurt: it had gone away by itself in the meantime.
            .catch(() => void (counts[fault] = (counts[fault] ?? 1) - 1))
            .finally(() => going.delete(tracked));
          going.add(tracked);
        }
        const pauseMs = injected ? random.between(everyMs / 2, everyMs * 1.5) : NOBODY_MS;
        await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      }
      await Promise.all(going);
    },
  };
}
