import type { MissionRequest } from '#events/mission.js';
import type { PlanStep } from '#events/plan.js';
import { deedsOf, owners, spans, stepOf, TERMINAL, type Evidence, type Told } from './evidence.js';
import { LEASE_MS } from './scenario.js';
import type { Deed } from './witness.js';

export function unsafeOnce(events: Told[], evidence: Evidence): string[] {
  const counts = new Map<string, Deed[]>();
  for (const deed of deedsOf(evidence, events[0]!.subject))
    if (deed.what === 'acted' && deed.unsafe)
      counts.set(deed.stepId, [...(counts.get(deed.stepId) ?? []), deed]);
  return [...counts].flatMap(([stepId, deeds]) => {
    const doubts = events.filter(
      (event) => event.kind === 'step.in-doubt' && stepOf(event) === stepId,
    ).length;
    return deeds.length > 1 + doubts ? [`${stepId} acted ${deeds.length} times, with ${doubts} doubts`] : [];
  });
}

export function intentFirst(events: Told[], evidence: Evidence): (string | false)[] {
  return deedsOf(evidence, events[0]!.subject)
    .filter(({ what, unsafe }) => what === 'acted' && unsafe)
    .map(
      ({ stepId, order }) =>
        !events.some(
          (event) => event.kind === 'step.started' && stepOf(event) === stepId && event.order < order,
        ) && `${stepId} acted without a word`,
    );
}

export function pausedIsStill(events: Told[], evidence: Evidence): string[] {
  const deeds = deedsOf(evidence, events[0]!.subject).filter((deed) => !isLosing(events, evidence, deed));
  return spans(events, 'run.paused', 'run.resumed').flatMap(({ start, end }) =>
    deeds
      .filter(({ order }) => order > start.order && order < end)
      .map((deed) => `${describe(deed)}, paused since ${start.at.toFixed(1)}`),
  );
}

export function endedIsStill(events: Told[], evidence: Evidence): string[] {
  const end = events.find(({ kind }) => TERMINAL.has(kind));
  if (!end) return [];
  return deedsOf(evidence, end.subject)
    .filter((deed) => deed.order > end.order && !isLosing(events, evidence, deed))
    .map((deed) => `${describe(deed)} after #${end.rev} ${end.kind} at ${end.at.toFixed(1)}`);
}

/** Whoever took the run while it was frozen was in the log before it thawed: it had only to look. */
export function noZombieActs(events: Told[], evidence: Evidence): string[] {
  const owned = owners(events, evidence);
  return deedsOf(evidence, events[0]!.subject)
    .filter(({ thaw, what }) => what === 'acted' && (thaw?.afterMs ?? 0) >= LEASE_MS)
    .flatMap(({ thaw, order, process, stepId, at }) => {
      const now = owned.findLast(({ event }) => event.order < order)?.owner;
      const atThaw = owned.findLast(({ event }) => event.at < thaw!.at)?.owner;
      const taken = now !== undefined && now === atThaw && now !== evidence.workerIds.get(process);
      return taken
        ? [`${process.name} carried out ${stepId} at ${at.toFixed(1)}, and ${now} owned the run`]
        : [];
    });
}

export function approvedFirst(events: Told[], evidence: Evidence): (string | false)[] {
  const { mission } = events[0]!.data as unknown as { mission: MissionRequest };
  const steps = new Map(mission.plan!.steps.map((step): [string, PlanStep] => [step.id, step]));
  const approvedBefore = (order: number, kind: string, stepId?: string): boolean =>
    events.some((event) => event.kind === kind && stepOf(event) === stepId && event.order < order);
  return deedsOf(evidence, events[0]!.subject).map(({ stepId, order }) => {
    const planned = steps.get(stepId.split('.')[0]!)!;
    if (planned.approval && !approvedBefore(order, 'step.approved', planned.id))
      return `${stepId} was not approved`;
    return (
      mission.approval === 'plan' && !approvedBefore(order, 'plan.approved') && 'the plan was not approved'
    );
  });
}

export function dryRunIsStill(events: Told[], evidence: Evidence): string[] {
  const { dryRun } = events[0]!.data as { dryRun?: boolean };
  return dryRun ? deedsOf(evidence, events[0]!.subject).map(({ stepId, what }) => `${stepId} ${what}`) : [];
}

const describe = ({ stepId, what, process, at }: Deed): string =>
  `${stepId} ${what} by ${process.name} at ${at.toFixed(1)}`;

/** For how long an owner may go on that lost its run while it was alive: until it has looked at the log again. */
const NOTICE_MS = 2 * LEASE_MS;

/** The queue may give a run to two. Whoever lost it cannot know at once, because the hint may have got lost too. */
function isLosing(events: Told[], evidence: Evidence, { process, order, at }: Deed): boolean {
  const doer = evidence.workerIds.get(process);
  const owned = owners(events, evidence).filter(({ event }) => event.order < order);
  const mine = owned.findLastIndex(({ owner }) => owner === doer);
  const taken = owned.slice(mine + 1).find(({ owner }) => owner !== undefined);
  return mine >= 0 && taken !== undefined && at - taken.event.at <= NOTICE_MS;
}
