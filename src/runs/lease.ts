import type { Envelope } from '#events/envelope.js';
import type { WakeUp } from '../log/event-log.js';

/**
 * Shares of the queue's lease. An owner acts for `ACTS` after it asked a question that the log answered in its favour;
 * whoever takes the run over writes that into the log and then gives way for longer, `GIVES_WAY`. So nobody acts for two,
 * however late the queue, a heartbeat or a hint was: the log alone decides, and both wait by their own clock.
 */
const ACTS = 1 / 5;
const GIVES_WAY = 1 / 4;

/** For how long an owner may act without asking the log again, by a clock that goes on while the process is frozen. */
export interface Lease {
  held(): boolean;
  /** The log has answered that the run is still this owner's: so it was when it was asked, or later. */
  confirm(askedAt: number): void;
  /** Milliseconds since the log was last asked and said so. */
  ageMs(): number;
  /** The claim on a run that was another's is in the log: that one does not know it yet. */
  takeOver(): void;
  /** For how long an earlier owner may still act, in milliseconds; none does when it is not above 0. */
  othersForMs(): number;
  /** The clock it goes by. */
  now(): number;
}

export function createLease(leaseMs: number, now: () => number = () => performance.now()): Lease {
  let confirmedAt = -Infinity;
  let othersUntil = -Infinity;
  const ageMs = () => now() - confirmedAt;
  return {
    held: () => ageMs() < leaseMs * ACTS,
    confirm: (askedAt) => {
      confirmedAt = Math.max(confirmedAt, askedAt);
    },
    ageMs,
    takeOver: () => {
      othersUntil = now() + leaseMs * GIVES_WAY;
    },
    othersForMs: () => othersUntil - now(),
    now,
  };
}

/** The wake-ups by which an owner holds its run in the queue. */
export interface Claims {
  add(claim: WakeUp): void;
  /** Tells the queue that the owner is alive. */
  extend(): void;
  /** Whether all of them came before this revision. */
  allBefore(rev: number): boolean;
  settle(how: (claim: WakeUp) => void): void;
}

export function createClaims(first: WakeUp): Claims {
  const claims = [first];
  return {
    add: (claim) => void claims.push(claim),
    extend: () => {
      for (const claim of claims) claim.extend();
    },
    allBefore: (rev) => claims.every((claim) => (claim.event.body as Envelope).rev < rev),
    settle: (how) => {
      for (const claim of claims) how(claim);
    },
  };
}

/** Whether an owner may act on its run. */
export interface Gate {
  /** Resolves once the run is surely this owner's; rejects when `signal` is aborted, as it is when the run is lost. */
  mayAct(signal: AbortSignal): Promise<void>;
  /** Asks the log whose the run is. */
  look(): Promise<void>;
}

/** `ask` asks the log, and confirms the lease when the run is still this owner's. */
export function createGate(lease: Lease, ask: () => Promise<void>): Gate {
  let looking: Promise<void> | undefined;
  async function begin(): Promise<void> {
    // In a turn of its own: whoever looks may be in the middle of dealing with the run's mail.
    await Promise.resolve();
    await ask();
    looking = undefined;
  }
  const look = () => (looking ??= begin());
  return {
    look,
    mayAct: async (signal) => {
      while (!lease.held() && !signal.aborted) await look();
      signal.throwIfAborted();
    },
  };
}
