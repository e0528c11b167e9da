import type { Envelope } from '#events/envelope.js';
import type { MissionRequest } from '#events/mission.js';
import { foldStored, type RunState } from '../../src/runs/run-state.js';
import { runsOf, storedEvent } from './history.js';
import type { People } from './people.js';
import type { Faults } from './scenario.js';
import type { Kept, SimulatedLog } from './simulated.log.js';
import type { SimProcess } from './virtual-time.js';
import type { Deed, Witness } from './witness.js';

/** All there is to judge a seed by: the log, and what the world and the clients saw for themselves. */
export interface Evidence {
  readonly log: SimulatedLog;
  readonly witness: Witness;
  readonly people: People;
  readonly missions: readonly MissionRequest[];
  readonly faults: Faults;
  /** Who each worker process is in the log: `worker:<id>`. */
  readonly workerIds: ReadonlyMap<SimProcess, string>;
  /** Errors no client should have got. */
  readonly crashes: readonly unknown[];
  /** Run → how many events it had when one of them was damaged. */
  readonly damaged: ReadonlyMap<string, number>;
  /** How many events there were when every run had come to rest. */
  readonly restedAt: number;
}

export interface Finding {
  readonly runId: string;
  readonly detail: string;
}

/** One event of a run, with the moment the log took it. */
export interface Told extends Envelope {
  readonly kind: string;
  readonly order: number;
  readonly at: number;
}

export const TERMINAL: ReadonlySet<string> = new Set([
  'run.succeeded',
  'run.failed',
  'run.cancelled',
  'run.quarantined',
]);
const CLAIMS: ReadonlySet<string> = new Set(['run.started', 'run.recovered']);

/** Judges each run on its own. A damaged run has an invariant of its own, and is left out of the others. */
export const ofEachRun =
  (check: (told: Told[], evidence: Evidence) => (string | false | undefined)[]) =>
  (evidence: Evidence): Finding[] =>
    runsOf(evidence.log)
      .filter((runId) => !evidence.damaged.has(runId))
      .flatMap((runId) =>
        check(toldOf(evidence.log.ofRun(runId)), evidence).flatMap((detail) =>
          detail ? [{ runId, detail }] : [],
        ),
      );

const told = new WeakMap<readonly Kept[], Told[]>();
export function toldOf(events: readonly Kept[]): Told[] {
  const known = told.get(events);
  if (known) return known;
  const parsed = events.map(({ text, type, order, at }) => ({
    ...(JSON.parse(text) as Envelope),
    kind: type,
    order,
    at,
  }));
  told.set(events, parsed);
  return parsed;
}

export const deedsOf = ({ witness }: Evidence, runId: string): Deed[] =>
  witness.deeds.filter((deed) => deed.runId === runId);

/** Whether an event ends a pause: the run goes on, by command or because a person gives the controls back. */
const goesOn = ({ kind, data }: Told): boolean =>
  kind === 'run.resumed' || (kind === 'control.released' && data.how === 'handback');

/** The parts of the log in which a run is paused; the last may be open. */
export function pauses(events: readonly Told[]): { start: Told; end: Told | undefined }[] {
  return events
    .filter(({ kind }) => kind === 'run.paused')
    .map((start) => ({
      start,
      end: events.find((event) => event.order > start.order && goesOn(event)),
    }));
}

export const stepOf = (event: Told): string | undefined => (event.data as { stepId?: string }).stepId;

/** Revisions at which a run was woken from rest: whoever had it before has let go. */
function wakingRevisions(kept: readonly Kept[]): ReadonlySet<number> {
  const known = waking.get(kept);
  if (known) return known;
  const revisions = new Set<number>();
  waking.set(kept, revisions);
  try {
    kept.map(storedEvent).reduce<RunState | undefined>((state, stored) => {
      const next = foldStored(state, stored);
      revisions.add(next.wakeRev);
      return next;
    }, undefined);
  } catch {
    // What cannot be folded is another invariant's finding.
  }
  return revisions;
}
const waking = new WeakMap<readonly Kept[], Set<number>>();

/** Who owns a run after each of its events: whoever claimed it last, or wrote first after it was woken. */
export function owners(
  events: readonly Told[],
  { log }: Evidence,
): { event: Told; owner: string | undefined }[] {
  const woken = wakingRevisions(log.ofRun(events[0]!.subject));
  let owner: string | undefined;
  return events.map((event) => {
    const writer = event.actor.startsWith('worker:') ? event.actor : undefined;
    if (woken.has(event.rev)) owner = undefined;
    if (CLAIMS.has(event.kind)) owner = writer;
    owner ??= writer;
    return { event, owner };
  });
}
