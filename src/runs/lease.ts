import type { Envelope } from '#events/envelope.js';
import type { WakeUp } from '../log/event-log.js';

/** For how long this process may believe that a run is still its own, by a clock that goes on while it is frozen. */
export interface Lease {
  /** False when there was no heartbeat for so long that the queue may have given the run away. */
  held(): boolean;
  /** Notes that a heartbeat sent at a time has reached the queue; without effect once the lease has run out. */
  beat(sentAt: number): void;
  /** Ends it before its time: the queue may have forgotten who holds what. */
  lapse(): void;
  /**
   * Notes that the log itself has taken a claim, asked for at a time. Another may have taken the run while the answer was
   * on its way, so the lease begins with the question; none does if it has lapsed since.
   */
  confirm(askedAt: number): void;
  /** The clock it goes by. */
  now(): number;
}

export function createLease(
  leaseMs: number,
  now: () => number = () => performance.now(),
  since: number = now(),
): Lease {
  let seenAt = since;
  let lapsedAt = -Infinity;
  const held = () => now() - seenAt < leaseMs;
  return {
    held,
    beat: (sentAt) => {
      if (held()) seenAt = Math.max(seenAt, sentAt);
    },
    lapse: () => {
      lapsedAt = now();
      seenAt = -Infinity;
    },
    confirm: (askedAt) => {
      if (askedAt >= lapsedAt) seenAt = Math.max(seenAt, askedAt);
    },
    now,
  };
}

/** The wake-ups by which an owner holds its run, and the lease they give. */
export interface Claims {
  readonly lease: Lease;
  add(claim: WakeUp): void;
  /** Tells the queue that the owner is alive; false when it may be too late for that. */
  heartbeat(): boolean;
  /** Whether all of them came before this revision. */
  allBefore(rev: number): boolean;
  settle(how: (claim: WakeUp) => void): void;
}

/** `since` is when the first wake-up came, by `performance.now()`: reading the run may have taken long. */
export function createClaims(first: WakeUp, leaseMs: number, since?: number): Claims {
  const lease = createLease(leaseMs, undefined, since);
  const claims = [first];
  return {
    lease,
    add: (claim) => void claims.push(claim),
    heartbeat: () => {
      if (!lease.held()) return false;
      for (const claim of claims) claim.extend();
      return true;
    },
    allBefore: (rev) => claims.every((claim) => (claim.event.body as Envelope).rev < rev),
    settle: (how) => {
      for (const claim of claims) how(claim);
    },
  };
}

/** Whether its owner may act on a run: one that was frozen for longer than its lease asks the log first. */
export interface Gate {
  /** Rejects when the run is lost, or when `signal` is aborted. */
  mayAct(signal: AbortSignal): Promise<void>;
  renew(): Promise<void>;
}

/** `claimAnew` writes the claim into the log; false when another has taken the run. */
export function createGate(lease: Lease, claimAnew: () => Promise<boolean>): Gate {
  let renewing: Promise<void> | undefined;
  async function claim(): Promise<void> {
    // In a turn of its own: whoever asks may be in the middle of dealing with the run's mail.
    await Promise.resolve();
    const askedAt = lease.now();
    if (await claimAnew()) lease.confirm(askedAt);
    renewing = undefined;
  }
  const renew = () => (renewing ??= claim());
  return {
    renew,
    mayAct: async (signal) => {
      while (!lease.held() && !signal.aborted) await renew();
      signal.throwIfAborted();
    },
  };
}
