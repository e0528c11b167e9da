import type { Envelope } from '#events/envelope.js';

/** One stored event: its body as it was read, and its place in its partition's stream. */
export interface StoredEvent {
  readonly partition: number;
  readonly seq: number;
  readonly body: unknown;
}

/** A run that needs an owner. The claim is held by `extend` until it is settled by `ack` or given back by `release`. */
export interface WakeUp {
  readonly event: StoredEvent;
  /** 1 for the first delivery; more means an earlier owner died or gave the run back. */
  readonly deliveries: number;
  extend(): void;
  ack(): void;
  release(): void;
}

export interface PartitionInfo {
  readonly partition: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Messages the server itself knows to be missing. */
  readonly lost: number;
}

/** A point in time at which a run wants to hear its timer, also when nobody owns it until then. */
export interface Timer {
  readonly runId: string;
  readonly name: string;
  /** RFC 3339. */
  readonly dueAt: string;
}

/** A timer whose time has come. It comes again when it is not settled within the lease. */
export interface DueTimer extends Timer {
  ack(): void;
  release(): void;
}

export interface Subscription {
  stop(): Promise<void>;
}

/** The event log: an ordered, durable, append-only history per run, spread over partitions. */
export interface EventLog {
  readonly partitions: number;
  /**
   * Appends one event and returns its sequence once it is durable. `afterSeq` is the sequence of the run's last event
   * (0 for none); whoever is stale gets a ConflictError. An unknown outcome is retried with the same bytes.
   */
  append(envelope: Envelope, afterSeq: number): Promise<number>;
  /** The events of a run after a sequence, in order. */
  read(runId: string, afterSeq?: number): Promise<StoredEvent[]>;
  /**
   * The sequence of a run's last event, 0 for none: every event that was acknowledged before the question is counted. A
   * `read` may come from a copy that is behind.
   */
  head(runId: string): Promise<number>;
  /** Every event of a partition after a sequence, in order, then live ones. The next batch waits for the handler. */
  follow(
    partition: number,
    afterSeq: number,
    onBatch: (batch: StoredEvent[]) => void | Promise<void>,
  ): Promise<Subscription>;
  /** The persistent queue: wake-ups of one partition; the loop takes the next one when the handler returns. */
  claimWakeUps(partition: number, onWakeUp: (wakeUp: WakeUp) => Promise<void>): Promise<Subscription>;
  /** Tells that a control event of a run is in the log, from now on, and which run it is. */
  watchControl(onControl: (runId: string) => void): Promise<Subscription>;
  /** Sets a durable timer; one of the same run and name is replaced. A time that is past is due at once. */
  setTimer(timer: Timer): Promise<void>;
  /** Timers that are due, each to one of all that claim; the next one when the handler returns. */
  claimTimers(onDue: (due: DueTimer) => Promise<void>): Promise<Subscription>;
  info(): Promise<PartitionInfo[]>;
  close(): Promise<void>;
}

/** Somebody else appended to the run first. */
export class ConflictError extends Error {
  readonly code = 'log-conflict';
  constructor(
    readonly runId: string,
    readonly afterSeq: number,
  ) {
    super(`run ${runId} has events after sequence ${afterSeq}`);
    this.name = 'ConflictError';
  }
}

/** The log could not be reached, or did not answer, within the time allowed. */
export class LogUnavailableError extends Error {
  readonly code = 'log-unavailable';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LogUnavailableError';
  }
}

/** The log refused an event for good: too large, or no room left. */
export class LogRefusedError extends Error {
  readonly code = 'log-refused';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LogRefusedError';
  }
}

/** A guard found the log damaged or unsafe: it is served read-only. */
export class ReadOnlyLogError extends Error {
  readonly code = 'log-read-only';
  constructor(readonly reasons: readonly string[]) {
    super(`the log is read-only: ${reasons.join('; ')}`);
    this.name = 'ReadOnlyLogError';
  }
}
