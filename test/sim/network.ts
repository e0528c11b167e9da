import { LogUnavailableError } from '../../src/log/event-log.js';
import type { Random } from './random.js';
import type { Faults } from './scenario.js';
import type { SimProcess, VirtualTime } from './virtual-time.js';

export interface NetworkWorld {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly faults: () => Faults;
  readonly count: (fault: string) => void;
}

/** The way between the processes and the server of the log: slow, and not all that goes in comes out. */
export interface Network {
  reachable(): boolean;
  /** Loses every message that arrives before this moment. */
  outage(until: number): void;
  /** Loses every message that is on its way. */
  powerCut(): void;
  /** From a process to the server, without an answer: a heartbeat, an acknowledgement. */
  send(from: SimProcess, arrive: () => void): void;
  /** From the server to a process. */
  deliver(to: SimProcess, arrive: () => void): void;
  /** A request and its answer; without one in time the outcome is unknown. */
  request<T>(from: SimProcess, serve: () => T): Promise<T>;
}

const TIMEOUT_MS = 300;

export function createNetwork({ time, random, faults, count }: NetworkWorld): Network {
  let outageUntil = 0;
  let era = 0;
  /** When the last message that each process has sent arrives. */
  const busyUntil = new Map<SimProcess, number>();
  const travelMs = (): number => random.latency(0.2, faults().latencyMs);
  const reachable = (): boolean => time.now() >= outageUntil;

  /** Decided when a message would arrive: it does not, or its sender died before it was out. */
  function isLost(process: SimProcess): boolean {
    if (!reachable()) return true;
    if (!process.alive && random.chance(0.5)) return true;
    const lost = random.chance(faults().loss);
    if (lost) count('lost messages');
    return lost;
  }

  /** What one process sends arrives in the order in which it was sent, or not at all. */
  function send(from: SimProcess, arrive: () => void): void {
    const sentIn = era;
    const arrivesAt = Math.max(busyUntil.get(from) ?? 0, time.now() + travelMs());
    busyUntil.set(from, arrivesAt);
    time.after(arrivesAt - time.now(), undefined, () => {
      if (sentIn === era && !isLost(from)) arrive();
    });
  }

  function deliver(to: SimProcess, arrive: () => void): void {
    if (!isLost(to)) time.after(travelMs(), to, arrive);
  }

  function request<T>(from: SimProcess, serve: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const timeout = time.after(TIMEOUT_MS, from, () =>
        reject(new LogUnavailableError('the log did not answer in time')),
      );
      send(from, () => {
        const answer = serve();
        deliver(from, () => {
          timeout.cancelled = true;
          resolve(answer);
        });
      });
    });
  }

  return {
    reachable,
    outage: (until) => {
      outageUntil = until;
    },
    powerCut: () => {
      era++;
    },
    send,
    deliver,
    request,
  };
}
