import type { DesktopControl, DesktopLease } from '#events/desktop.js';
import { DesktopRefusedError, type DesktopLink } from './link.js';
import { isOfPerson } from './refusals.js';

/** What a person at a desktop does to the run that has it. */
export interface LocalPerson {
  /** A person has taken the mouse: the run is to pause, and its controls are that person's. Answers whether they are. */
  readonly came: (runId: string, desktop: string, by: string | undefined) => Promise<boolean>;
  /** The person has given the desktop back. */
  readonly left: (runId: string) => void;
}

/** A run's place at a desktop, which no other run gets meanwhile. */
export interface Seat {
  readonly link: DesktopLink;
  readonly lease: DesktopLease;
  /** A person was met there. */
  readonly met: (control: Pick<DesktopControl, 'by'>) => void;
}

export interface HeldSeat extends Seat {
  /** A step begins to use it; the function ends that. */
  use(): () => void;
  stop(): void;
}

export interface SeatDeps {
  readonly person: LocalPerson;
  /** The place is lost, or was not used for so long that others may have it: `release` says that it is still held. */
  readonly onEnd: (release: boolean) => void;
}

/** A daemon gives a desktop free when it has heard nothing for so long: its run's process is gone then. */
export const LEASE_MS = 30_000;
const TEND_MS = 5_000;
/** A run that rests for longer takes its place anew when it goes on. */
const IDLE_MS = 15 * 60_000;

/** Holds a place until it is let go: prolongs its lease, and hears of a person there. */
export function holdSeat(link: DesktopLink, lease: DesktopLease, { person, onEnd }: SeatDeps): HeldSeat {
  let personIsThere = false;
  let users = 0;
  let usedAt = Date.now();

  function met({ by }: Pick<DesktopControl, 'by'>): void {
    if (personIsThere) return;
    personIsThere = true;
    person.came(lease.run, link.name, by).then(
      (taken) => {
        personIsThere &&= taken;
      },
      () => {
        personIsThere = false;
      },
    );
  }

  function hear(control: DesktopControl): void {
    const isOurs = control.lease?.run === lease.run;
    const someone = control.state === 'person' || control.state === 'stopped';
    if (someone && isOurs) met(control);
    // A daemon that was started anew knows nothing of a person either.
    else if (personIsThere && !someone && (isOurs || control.lease === undefined)) {
      personIsThere = false;
      person.left(lease.run);
    }
  }

  async function tend(): Promise<void> {
    if (personIsThere) return hear(await link.control({ do: 'look' }));
    if (users === 0 && Date.now() - usedAt > IDLE_MS) return onEnd(true);
    try {
      await link.control({ do: 'renew', lease, ttlMs: LEASE_MS });
    } catch (error) {
      if (!(error instanceof DesktopRefusedError)) throw error;
      if (isOfPerson(error.body)) hear(await link.control({ do: 'look' }));
      else onEnd(false);
    }
  }

  const stopHearing = link.onControl(hear);
  // A desktop that cannot be reached may be back before its lease has run out.
  const timer = setInterval(() => void tend().catch(() => undefined), TEND_MS).unref();
  return {
    link,
    lease,
    met,
    use: () => {
      users++;
      return () => {
        users--;
        usedAt = Date.now();
      };
    },
    stop: () => {
      clearInterval(timer);
      stopHearing();
    },
  };
}
