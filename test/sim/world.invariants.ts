import type { MissionRequest } from '#events/mission.js';
import type { PlanStep } from '#events/plan.js';
import { deedsOf, owners, pauses, stepOf, TERMINAL, type Evidence, type Told } from './evidence.js';
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
  const deeds = deedsOf(evidence, events[0]!.subject).filter(({ what }) => what === 'acted');
  return pauses(events).flatMap(({ start, end }) =>
    deeds
      .filter(({ order }) => order > start.order && order < (end?.order ?? Infinity))
      .map((deed) => `${describe(deed)}, paused since ${start.at.toFixed(1)}`),
  );
}

/** Between a taking and the release there is one controller, and the next one has a higher epoch. */
export function oneController(events: Told[]): (string | false)[] {
  let holder: string | undefined;
  let epoch = 0;
  return events.map(({ kind, rev, data, stateto }) => {
    if (kind === 'control.taken') {
      const wrong = data.epoch !== epoch + 1;
      [holder, epoch] = [data.lease as string, data.epoch as number];
      return wrong && `#${rev} has epoch ${epoch}`;
    }
    if (kind === 'control.released') {
      const wrong = data.lease !== holder || (data.how === 'expired' && stateto !== 'paused');
      holder = undefined;
      return wrong && `#${rev} released as ${JSON.stringify(data)}, to ${stateto}`;
    }
    if (kind === 'run.resumed') holder = undefined;
    return false;
  });
}

export function endedIsStill(events: Told[], evidence: Evidence): string[] {
  const end = events.find(({ kind }) => TERMINAL.has(kind));
  if (!end) return [];
  return deedsOf(evidence, end.subject)
    .filter(({ what, order }) => what === 'acted' && order > end.order)
    .map((deed) => `${describe(deed)} after #${end.rev} ${end.kind} at ${end.at.toFixed(1)}`);
}

/** For how long an owner may act that was not told yet that it has lost the run. The new owner waits for longer. */
const LOSING_MS = LEASE_MS / 5;

/** Whoever has lost a run acts no more once it could know, and never after its successor has acted. */
export function noZombieActs(events: Told[], evidence: Evidence): string[] {
  const owned = owners(events, evidence);
  const acts = deedsOf(evidence, events[0]!.subject).filter(({ what }) => what === 'acted');
  return acts.flatMap(({ order, process, stepId, at }) => {
    const doer = evidence.workerIds.get(process);
    const before = owned.filter(({ event }) => event.order < order);
    const owner = before.at(-1)?.owner;
    if (owner === undefined || owner === doer) return [];
    const taken = before[before.findLastIndex((each) => each.owner !== owner) + 1]!.event;
    const successorActed = acts.some(
      (other) => other.order > taken.order && other.order < order && other.process !== process,
    );
    return at - taken.at > LOSING_MS || successorActed
      ? [`${process.name} carried out ${stepId} at ${at.toFixed(1)}, and ${owner} owned the run`]
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
