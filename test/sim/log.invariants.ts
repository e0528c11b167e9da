import { FIRST_PREVHASH, type Envelope } from '#events/envelope.js';
import { digestOf } from '../../src/log/hash-chain.js';
import { replayRun } from '../../src/runs/replay-run.js';
import {
  owners,
  pauses,
  stepOf,
  TERMINAL,
  toldOf,
  type Evidence,
  type Finding,
  type Told,
} from './evidence.js';
import { isAtRest, runsOf, storedEvent } from './history.js';
import type { SimulatedLog } from './simulated.log.js';

export function acceptedMissionsAreInTheLog({ log, people }: Evidence): Finding[] {
  return people.answers.flatMap(({ runId }) => {
    if (runId === undefined) return [];
    const created = log.ofRun(runId).filter(({ type }) => type === 'run.created').length;
    return created === 1 ? [] : [{ runId, detail: `${created} run.created` }];
  });
}

export function keysNameOneRun({ log, people, missions }: Evidence): Finding[] {
  const runs = new Map<string, string>();
  const findings: Finding[] = [];
  for (const { key, altered, runId, mismatch } of people.answers) {
    if (altered !== mismatch)
      findings.push({ runId: runId ?? '', detail: `${key}: altered ${altered}, refused ${mismatch}` });
    if (runId !== undefined && (runs.get(key) ?? runId) !== runId)
      findings.push({ runId, detail: `a second run for ${key}` });
    if (runId !== undefined) runs.set(key, runId);
  }
  const created = runsOf(log).length;
  if (created > missions.length)
    findings.push({ runId: '', detail: `${created} runs of ${missions.length} missions` });
  return findings;
}

export function endsOnce(events: Told[]): string[] {
  const ends = events.filter(({ kind }) => TERMINAL.has(kind));
  if (ends.length === 0 || (ends.length === 1 && ends[0] === events.at(-1))) return [];
  return [`ends: ${ends.map(({ rev, kind }) => `#${rev} ${kind}`).join(', ')} of ${events.length}`];
}

export const revisionsCount = (events: Told[]): (string | false)[] =>
  events.map(({ rev }, place) => rev !== place + 1 && `#${rev} at place ${place + 1}`);

export const chainHolds = (events: Told[]): (string | false)[] =>
  events.map(({ kind: _kind, order: _order, at: _at, hash, ...envelope }, place) => {
    if (envelope.prevhash !== (events[place - 1]?.hash ?? FIRST_PREVHASH))
      return `#${envelope.rev} is not linked`;
    return digestOf(envelope) !== hash && `#${envelope.rev} is not what was sealed`;
  });

export function replays(events: Told[], { log }: Evidence): string[] {
  const { subject } = events[0]!;
  if (events.at(-1)!.kind === 'run.quarantined') return [];
  try {
    replayRun(log.ofRun(subject).map(storedEvent));
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

export const oneOwnerWrites = (events: Told[], evidence: Evidence): (string | false)[] =>
  owners(events, evidence).map(
    ({ event, owner }) =>
      event.actor.startsWith('worker:') &&
      event.kind !== 'run.quarantined' &&
      event.actor !== owner &&
      `#${event.rev} ${event.kind} by ${event.actor}, and ${owner} owns the run`,
  );

export function timersAreDue(events: Told[]): string[] {
  const fired = events.filter(({ kind }) => kind === 'timer.fired');
  return fired.flatMap((event) => {
    const { timer } = event.data as { timer: string };
    const early = Date.parse(event.time) < dueAt(events, event, timer);
    // A deadline may be reached again, by a run that was resumed and given no more time.
    const again =
      !timer.startsWith('deadline:') &&
      fired.some((other) => other.rev < event.rev && (other.data as { timer: string }).timer === timer);
    return early || again ? [`#${event.rev} ${timer} ${early ? 'early' : 'twice'}`] : [];
  });
}

export function damagedIsQuarantined({ log, damaged }: Evidence): Finding[] {
  return [...damaged].flatMap(([runId, count]) => {
    const after = log
      .ofRun(runId)
      .slice(count)
      .map(({ type }) => type);
    return after.every((type) => type === 'run.quarantined')
      ? []
      : [{ runId, detail: `after the damage: ${after.join(', ')}` }];
  });
}

export const soundIsFree = (events: Told[]): (string | false)[] =>
  events.map(({ kind, data }) => kind === 'run.quarantined' && `quarantined: ${JSON.stringify(data)}`);

export function redeliveryChangesNothing({ log, restedAt, damaged }: Evidence): Finding[] {
  return log.events
    .slice(restedAt)
    .filter(({ runId }) => !damaged.has(runId) && isRestingBefore(log, runId, restedAt))
    .map(({ runId, type, text }) => ({
      runId,
      detail: `${type} by ${(JSON.parse(text) as Envelope).actor}`,
    }));
}

export function comesToRest(evidence: Evidence): Finding[] {
  return runsOf(evidence.log).flatMap((runId) => {
    const last = toldOf(evidence.log.ofRun(runId)).at(-1)!;
    return evidence.damaged.has(runId) || isAtRest(evidence.log.ofRun(runId))
      ? []
      : [{ runId, detail: `#${last.rev} ${last.kind}, ${last.stateto} since ${last.at.toFixed(1)}` }];
  });
}

export const clientsSeeNoFault = ({ crashes }: Evidence): Finding[] =>
  crashes.map((error) => ({ runId: '', detail: (error as Error).stack ?? String(error) }));

function dueAt(events: readonly Told[], before: Told, timer: string): number {
  if (timer.startsWith('deadline:')) return deadline(events, before);
  const [, stepId, attempt] = timer.split(':');
  const retried = events.find(
    (event) =>
      event.kind === 'step.retried' && stepOf(event) === stepId && event.data.attempt === Number(attempt),
  );
  return retried ? Date.parse(retried.data.retryAt as string) : Infinity;
}

/** The clock of a run's deadline stands still while it is paused. */
function deadline(events: readonly Told[], before: Told): number {
  const maxDurationMs = Number((before.data as { timer: string }).timer.split(':')[1]);
  const started = events.find(({ kind }) => kind === 'run.started')!;
  const pausedMs = pauses(events)
    .filter(({ start, end }) => start.order > started.order && (end?.order ?? Infinity) < before.order)
    .reduce((sum, { start, end }) => sum + Date.parse(end!.time) - Date.parse(start.time), 0);
  return Date.parse(started.time) + pausedMs + maxDurationMs;
}

/** A run that never came to rest is another invariant's finding. */
const isRestingBefore = (log: SimulatedLog, runId: string, restedAt: number): boolean =>
  isAtRest(log.events.slice(0, restedAt).filter((event) => event.runId === runId));
