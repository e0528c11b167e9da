import { ofEachRun, type Evidence, type Finding } from './evidence.js';
import * as log from './log.invariants.js';
import * as world from './world.invariants.js';

export interface Violation extends Finding {
  readonly invariant: string;
}
interface Invariant {
  readonly name: string;
  readonly check: (evidence: Evidence) => Finding[];
}

/** Everything a seed is judged by. */
export const INVARIANTS: readonly Invariant[] = [
  { name: 'I1 every accepted mission has exactly one run.created', check: log.acceptedMissionsAreInTheLog },
  { name: 'I2 the same key gives the same run, and another body none', check: log.keysNameOneRun },
  { name: 'I3 a run ends once, and nothing comes after', check: ofEachRun(log.endsOnce) },
  { name: 'I4 revisions count from 1 without gap or repeat', check: ofEachRun(log.revisionsCount) },
  { name: 'I5 each event is chained to the one before it', check: ofEachRun(log.chainHolds) },
  {
    name: 'I6/I7 replay accepts every event and reaches the state that was live',
    check: ofEachRun(log.replays),
  },
  {
    name: 'I10 an unsafe effect happens at most once, or the log says it is in doubt',
    check: ofEachRun(world.unsafeOnce),
  },
  {
    name: 'I10 an unsafe effect is promised in the log before it happens',
    check: ofEachRun(world.intentFirst),
  },
  { name: 'I11 nothing acts while a run is paused', check: ofEachRun(world.pausedIsStill) },
  {
    name: 'I16 one person at the controls, until they are given back or the lease runs out',
    check: ofEachRun(world.oneController),
  },
  { name: 'I12 nothing acts after a run has ended', check: ofEachRun(world.endedIsStill) },
  { name: 'I13 one owner writes at a time', check: ofEachRun(log.oneOwnerWrites) },
  {
    name: 'I13 an owner that has lost its run acts no more',
    check: ofEachRun(world.noZombieActs),
  },
  { name: 'I14 timers fire once, and never early', check: ofEachRun(log.timersAreDue) },
  { name: 'I17 what needs approval was approved before it acts', check: ofEachRun(world.approvedFirst) },
  {
    name: 'I18 a damaged run is put into quarantine, and goes on no other way',
    check: log.damagedIsQuarantined,
  },
  { name: 'I18 a sound run is never put into quarantine', check: ofEachRun(log.soundIsFree) },
  { name: 'I19 a wake-up that comes again changes nothing', check: log.redeliveryChangesNothing },
  { name: 'I22 after the faults every run ends or waits for a person', check: log.comesToRest },
  { name: 'a client sees no error but those it was promised', check: log.clientsSeeNoFault },
  { name: 'a dry run touches nothing', check: ofEachRun(world.dryRunIsStill) },
];
