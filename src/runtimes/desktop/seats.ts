import { setTimeout as sleep } from 'node:timers/promises';
import { fail } from '../../failures/failures.js';
import { PERSON_STEP, type RunEnd, type StepTask } from '../driver.js';
import type { Fleet } from './fleet.js';
import { DesktopRefusedError, DesktopUnreachableError, type DesktopLink } from './link.js';
import { failureOf, isOfPerson, isPassing } from './refusals.js';
import { holdSeat, LEASE_MS, type HeldSeat, type LocalPerson, type Seat } from './seat.js';
import { createTurns, stopIfUnwanted } from './turns.js';

/** The places that the runs of this process have. */
export interface Seats {
  /**
   * The run's place, waited for as long as it takes: a desktop that is off, or busy, is no failure. One step of a run after
   * the other has it, until `done` is called.
   */
  take(task: StepTask, ref: string | undefined): Promise<{ seat: Seat; done: () => void }>;
  /** Takes the place if it is to be had now: what an earlier owner of the run has left under way there stops by that. */
  attempt(task: StepTask, ref: string | undefined): Promise<void>;
  peek(runId: string): Seat | undefined;
  readonly runIds: readonly string[];
  end(runId: string, how: RunEnd): Promise<void>;
  close(): Promise<void>;
}

const ASK_AGAIN_MS = 500;

export function createSeats(fleet: Fleet, person: LocalPerson): Seats {
  const seats = new Map<string, HeldSeat>();
  const turns = createTurns();

  function hold(link: DesktopLink, lease: Seat['lease']): HeldSeat {
    const before = seats.get(lease.run);
    before?.stop();
    // A run that moves on to another desktop leaves the one it had.
    if (before && before.link !== link) void release(before);
    const held: HeldSeat = holdSeat(link, lease, {
      person,
      onEnd: (mine) => {
        if (seats.get(lease.run) === held) void letGo(lease.run, mine ? 'ended' : 'lost');
      },
    });
    seats.set(lease.run, held);
    return held;
  }

  /** Asks each desktop in turn; answers why none is to be had. */
  async function tryAll(task: StepTask, links: readonly DesktopLink[]): Promise<HeldSeat | string> {
    const lease = { run: task.runId, ...task.fence };
    let why = 'a desktop to be connected';
    for (const link of links) {
      try {
        await link.control({ do: 'acquire', lease, ttlMs: LEASE_MS });
        return hold(link, lease);
      } catch (error) {
        why = reasonOf(error, link);
        if (isOfPersonError(error)) await lookWho(link, task, person);
        // The own desktop is started anew under another address.
        if (link.own && error instanceof DesktopUnreachableError) await letGo(task.runId, 'lost');
      }
    }
    return why;
  }

  async function candidates(task: StepTask, ref: string | undefined): Promise<readonly DesktopLink[]> {
    const known = seats.get(task.runId);
    if (known && ref === undefined) return [known.link];
    const meant = await fleet.candidates(ref);
    // A run stays where it sits, unless a step asks for somewhere else.
    return known && meant.includes(known.link) ? [known.link] : meant;
  }

  async function sit(task: StepTask, ref: string | undefined): Promise<HeldSeat> {
    let goOn: (() => void) | undefined;
    let told: string | undefined;
    try {
      for (;;) {
        stopIfUnwanted(task);
        const seat = await tryAll(task, await candidates(task, ref));
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

  async function take(task: StepTask, ref: string | undefined): ReturnType<Seats['take']> {
    // A person acts on what the run has, and on nothing else: elsewhere their clicks would fall on a stranger's screen.
    if (task.stepId === PERSON_STEP && !seats.has(task.runId))
      throw fail('needs-desktop', 'the run has no desktop that this process could reach');
    const myTurnEnds = await turns.next(task);
    try {
      const seat = await sit(task, ref);
      const stopUsing = seat.use();
      const done = () => {
        stopUsing();
        myTurnEnds();
      };
      return { seat, done };
    } catch (error) {
      myTurnEnds();
      throw error;
    }
  }

  async function letGo(runId: string, how: RunEnd): Promise<void> {
    const seat = seats.get(runId);
    if (!seat) return;
    seats.delete(runId);
    seat.stop();
    // A run that was lost is another owner's by now, who has the desktop under a later fence.
    if (how === 'ended') await release(seat);
  }

  return {
    take,
    attempt: async (task, ref) => void (await tryAll(task, await candidates(task, ref))),
    peek: (runId) => seats.get(runId),
    get runIds() {
      return [...seats.keys()];
    },
    end: letGo,
    close: async () => {
      await Promise.all([...seats.keys()].map((runId) => letGo(runId, 'ended')));
      await fleet.close();
    },
  };
}

const release = async ({ link, lease }: Seat): Promise<void> =>
  void (await link.control({ do: 'release', lease }).catch(() => undefined));

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
async function lookWho(link: DesktopLink, { runId, fence }: StepTask, { came }: LocalPerson): Promise<void> {
  const control = await link.control({ do: 'look' }).catch(() => undefined);
  if (control?.lease?.run !== runId || control.lease.control < fence.control) return;
  void came(runId, link.name, control.by).catch(() => false);
}
