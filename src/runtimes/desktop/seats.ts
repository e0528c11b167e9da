import { setTimeout as sleep } from 'node:timers/promises';
import type { DesktopControl, DesktopLease } from '#events/desktop.js';
import { SuspendedError } from '../../failures/failures.js';
import type { RunEnd, StepTask } from '../driver.js';
import type { Fleet } from './fleet.js';
import { DesktopRefusedError, DesktopUnreachableError, type DesktopLink } from './link.js';
import { failureOf, isOfPerson, isPassing } from './refusals.js';

/** What a person at a desktop does to the run that has it. */
export interface LocalPerson {
  /** A person has taken the mouse: the run is to pause, and its controls are that person's. */
  readonly came: (runId: string, desktop: string, by: string | undefined) => void;
  /** The person has given the desktop back. */
  readonly left: (runId: string) => void;
}

/** A run's place at a desktop, which no other run gets meanwhile. */
export interface Seat {
  readonly link: DesktopLink;
  readonly lease: DesktopLease;
}

/** The places that the runs of this process have. */
export interface Seats {
  /**
   * The run's place, waited for as long as it takes: a desktop that is off, or busy, is no failure. One step of a run after
   * the other has it, until `done` is called.
   */
  take(task: StepTask, ref: string | undefined): Promise<{ seat: Seat; done: () => void }>;
  peek(runId: string): Seat | undefined;
  readonly runIds: readonly string[];
  /** Tells that a person was met at the desktop of a run. */
  readonly met: (runId: string, control: Pick<DesktopControl, 'by'>) => void;
  end(runId: string, how: RunEnd): Promise<void>;
  close(): Promise<void>;
}

interface Held extends Seat {
  stop(): void;
  personIsThere: boolean;
}

/** A daemon gives a desktop free when it has heard nothing for so long: its run's process is gone then. */
const LEASE_MS = 30_000;
const RENEW_MS = 10_000;
const ASK_AGAIN_MS = 500;

export function createSeats(fleet: Fleet, person: LocalPerson): Seats {
  const seats = new Map<string, Held>();
  const turns = createTurns();

  /** Holds a place until it is let go, and hears of a person there. */
  function hold(link: DesktopLink, lease: DesktopLease): Held {
    const stopHearing = link.onControl((control) => hear(lease.run, control));
    const timer = setInterval(() => {
      const seat = seats.get(lease.run);
      if (seat && !seat.personIsThere) void renew(seat).catch(() => undefined);
    }, RENEW_MS).unref();
    const held: Held = {
      link,
      lease,
      personIsThere: false,
      stop: () => {
        clearInterval(timer);
        stopHearing();
      },
    };
    seats.set(lease.run, held);
    return held;
  }

  function hear(runId: string, control: DesktopControl): void {
    const seat = seats.get(runId);
    if (!seat || control.lease?.run !== runId) return;
    const isThere = control.state === 'person' || control.state === 'stopped';
    if (isThere && !seat.personIsThere) met(runId, control);
    else if (control.state === 'free' && seat.personIsThere) {
      seat.personIsThere = false;
      person.left(runId);
    }
  }

  function met(runId: string, { by }: Pick<DesktopControl, 'by'>): void {
    const seat = seats.get(runId);
    if (seat) seat.personIsThere = true;
    person.came(runId, seat?.link.name ?? 'unknown', by);
  }

  const renew = ({ link, lease }: Seat) => link.control({ do: 'acquire', lease, ttlMs: LEASE_MS });

  /** Asks each desktop in turn; answers why none is to be had. */
  async function tryAll(task: StepTask, links: readonly DesktopLink[]): Promise<Held | string> {
    const lease = { run: task.runId, ...task.fence };
    let why = 'a desktop to be connected';
    for (const link of links) {
      try {
        await link.control({ do: 'acquire', lease, ttlMs: LEASE_MS });
        seats.get(task.runId)?.stop();
        return hold(link, lease);
      } catch (error) {
        why = reasonOf(error, link);
        if (isOfPersonError(error)) void lookWho(link, task, met);
      }
    }
    return why;
  }

  async function take(task: StepTask, ref: string | undefined): Promise<{ seat: Seat; done: () => void }> {
    const done = await turns.next(task);
    try {
      return { seat: await sit(task, ref), done };
    } catch (error) {
      done();
      throw error;
    }
  }

  async function sit(task: StepTask, ref: string | undefined): Promise<Seat> {
    let goOn: (() => void) | undefined;
    let told: string | undefined;
    try {
      for (;;) {
        stopIfUnwanted(task);
        const known = seats.get(task.runId);
        const links = known && fits(known, ref) ? [known.link] : await fleet.candidates(ref);
        const seat = await tryAll(task, links);
        if (typeof seat !== 'string') return seat;
        goOn ??= task.waitFor(seat);
        if (told !== seat) traceWait(task);
        told = seat;
        await sleep(ASK_AGAIN_MS);
      }
    } finally {
      goOn?.();
    }
  }

  async function letGo(runId: string, how: RunEnd): Promise<void> {
    const seat = seats.get(runId);
    if (!seat) return;
    seats.delete(runId);
    seat.stop();
    // A run that was lost is another owner's by now, who has the desktop under a later fence.
    if (how === 'ended') await seat.link.control({ do: 'release', lease: seat.lease }).catch(() => undefined);
  }

  return {
    take,
    peek: (runId) => seats.get(runId),
    get runIds() {
      return [...seats.keys()];
    },
    met,
    end: letGo,
    close: async () => {
      await Promise.all([...seats.keys()].map((runId) => letGo(runId, 'ended')));
      await fleet.close();
    },
  };
}

/** A run that rests may go on later from where its step stood. */
function stopIfUnwanted({ signal, pausing, progress }: StepTask): void {
  signal.throwIfAborted();
  if (pausing.aborted) throw new SuspendedError(progress ?? null);
}

/** Steps of one run that could be done side by side are not, on one desktop. */
function createTurns(): { next(task: StepTask): Promise<() => void> } {
  const last = new Map<string, Promise<void>>();
  return {
    next: async (task) => {
      const { runId, signal, pausing } = task;
      const before = last.get(runId);
      const { promise, resolve } = Promise.withResolvers<void>();
      const mine = (before ?? Promise.resolve()).then(() => promise);
      last.set(runId, mine);
      const done = () => {
        resolve();
        if (last.get(runId) === mine) last.delete(runId);
      };
      try {
        if (before) await firstOf(before, signal, pausing);
        stopIfUnwanted(task);
        return done;
      } catch (error) {
        done();
        throw error;
      }
    },
  };
}

/** Resolves with the first of them. */
function firstOf(turn: Promise<void>, ...signals: readonly AbortSignal[]): Promise<void> {
  const any = AbortSignal.any([...signals]);
  if (any.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  any.addEventListener('abort', () => resolve(), { once: true });
  return Promise.race([turn, promise]);
}

/** A run stays where it sits, unless a step asks for somewhere else by name. */
const fits = ({ link }: Seat, ref: string | undefined): boolean =>
  ref === undefined || ref.includes('=') || ref === link.name;

function traceWait(task: StepTask): void {
  task.trace({
    runId: task.runId,
    stepId: task.stepId,
    attempt: task.attempt,
    index: 0,
    runtime: 'desktop',
    driver: 'desktop',
    action: 'wait-for-desktop',
    args: {},
    startedAt: new Date().toISOString(),
    durationMs: 0,
    outcome: 'waiting',
  });
}

/** Why a desktop is not to be had now; what time does not mend is thrown. */
function reasonOf(error: unknown, link: DesktopLink): string {
  if (error instanceof DesktopUnreachableError) return `the desktop ${link.name} to be connected`;
  if (!(error instanceof DesktopRefusedError)) throw error;
  if (!isPassing(error.body)) throw failureOf(error.body);
  return `the desktop ${link.name}: ${error.message}`;
}

const isOfPersonError = (error: unknown): boolean =>
  error instanceof DesktopRefusedError && isOfPerson(error.body);

/** The person may have come when nobody here could hear of it: the run is paused for them now. */
async function lookWho(link: DesktopLink, { runId, fence }: StepTask, met: Seats['met']): Promise<void> {
  const info = await link.info().catch(() => undefined);
  const lease = info?.control.lease;
  if (lease?.run === runId && lease.control >= fence.control) met(runId, info!.control);
}
