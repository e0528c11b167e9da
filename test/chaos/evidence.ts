import type { Notes } from './load.js';
import type { Snapshot } from './read-models.js';
import type { Histories, Told } from './record.js';
import type { Seen } from './witness.js';

/** All that the checks look at, taken after everything has settled. */
export interface Evidence {
  readonly notes: Notes;
  readonly histories: Histories;
  readonly told: ReadonlyMap<string, readonly Told[]>;
  readonly seen: readonly Seen[];
  /** Rows of `GET /runs`, and the same after the read models were folded anew from the log. */
  readonly rows: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  readonly rebuilt: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  /** What each gateway that was killed has left behind. */
  readonly snapshots: readonly Snapshot[];
  /** Runs whose history was forged. */
  readonly tampered: ReadonlySet<string>;
  readonly settled: boolean;
  /** All that the processes have said, all rows and files of rows: where nothing that was typed may be. */
  readonly said: string;
  /** The histories that hold an event this version does not know, with what a command was answered since. */
  readonly newer: ReadonlyMap<string, { readonly status: number; readonly code: unknown }>;
  /** Events that were written when every wake-up there ever was came once more. */
  readonly afterRedelivery: number;
  /** Wake-ups that came once more. */
  readonly redelivered: number;
  readonly crashes: readonly string[];
  readonly faults: readonly string[];
}

export interface Finding {
  readonly invariant: string;
  readonly claim: string;
  readonly checked: number;
  readonly violations: readonly string[];
}

/** Counts what it is shown, and keeps what is wrong with it. */
export interface Tally {
  readonly check: (right: boolean, what: () => string) => void;
  readonly done: (invariant: string, claim: string) => Finding;
}

export function tally(): Tally {
  let checked = 0;
  const violations: string[] = [];
  return {
    check: (right, what) => {
      checked++;
      if (!right) violations.push(what());
    },
    done: (invariant, claim) => ({ invariant, claim, checked, violations }),
  };
}

/** The histories nobody has written into from outside: what must hold of a run holds of these. */
export const honest = ({ told, tampered, newer }: Evidence): (readonly [string, readonly Told[]])[] =>
  [...told].filter(([runId]) => !tampered.has(runId) && !newer.has(runId));

/** What a person did at the controls has a key of its own. */
export const isPersons = ({ key }: { readonly key: string }): boolean => key.split('/')[1] === 'takeover';
