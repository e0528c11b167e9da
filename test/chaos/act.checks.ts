import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { honest, isPersons, tally, type Evidence, type Finding } from './evidence.js';
import { isUnsafe, PRICE_USD, type ChaosStep } from './missions.js';
import type { Told } from './record.js';
import type { Seen } from './witness.js';

/** What must hold of the log and the world together. */
export const actChecks = [i10, i11, i12, i13, i15, i16, i17];

const stepIdOf = ({ body }: Told): unknown => body.data.stepId;

/** The steps that act, each with its run's history and what the witness saw of it. */
function* acts({ notes, told, seen }: Evidence) {
  const byKey = Map.groupBy(seen, ({ key }) => key);
  for (const { runId, mission } of notes.accepted) {
    for (const step of mission.plan.steps.filter(({ with: { tool } }) => tool === 'test.effect')) {
      const key = `${runId}/${step.id}`;
      const events = (told.get(runId) ?? []).filter((event) => stepIdOf(event) === step.id);
      yield { key, step, events, run: told.get(runId) ?? [], seen: byKey.get(key) ?? [] };
    }
  }
}

const MAY_LEAVE_OPEN: ReadonlySet<string> = new Set(['run.cancelled', 'run.failed']);

function i10(evidence: Evidence): Finding {
  const { check, done } = tally();
  for (const { key, step, events, run, seen } of acts(evidence)) {
    const count = (type: string) => events.filter((event) => event.type === type).length;
    const doubts = count('step.in-doubt');
    if (isUnsafe(step))
      check(seen.length <= 1 || doubts > 0, () => `${key}: ${seen.length} acts, and no doubt of it`);
    check(seen.length > 0 || count('step.succeeded') === 0, () => `${key}: succeeded, and nobody saw it`);
    const open = doubts - count('step.reconciled');
    const mayStayOpen = MAY_LEAVE_OPEN.has(run.at(-1)?.type ?? '');
    check(open === 0 || mayStayOpen, () => `${key}: ${doubts} doubts, ${open} of them never settled`);
  }
  return done(
    'I10',
    'an unsafe step acts once, or the log says that it was in doubt and how that was settled',
  );
}

function i11(evidence: Evidence): Finding {
  const { check, done } = tally();
  const actsOf = actsByRun(evidence);
  for (const [runId, events] of evidence.told) {
    for (const [index, paused] of events.entries()) {
      if (paused.type !== 'run.paused') continue;
      const from = Date.parse(paused.body.data.quiescedAt as string);
      const until = evidence.tampered.has(runId) ? Infinity : (events[index + 1]?.at ?? Infinity);
      const late = (actsOf.get(runId) ?? []).filter(({ sentAt }) => sentAt > from && sentAt < until);
      check(late.length === 0, () => `${runId}: ${late.map(inWords).join(', ')} while paused since ${from}`);
    }
  }
  return done('I11', 'a run that is paused does not act until it is resumed');
}

function i12(evidence: Evidence): Finding {
  const { check, done } = tally();
  const actsOf = actsByRun(evidence);
  for (const [runId, events] of evidence.told) {
    const cancelled = events.find(({ type }) => type === 'run.cancelled');
    if (!cancelled) continue;
    const late = (actsOf.get(runId) ?? []).filter(({ sentAt }) => sentAt > cancelled.at);
    check(late.length === 0, () => `${runId}: ${late.map(inWords).join(', ')} after it was cancelled`);
  }
  return done('I12', 'a run that was cancelled acts no more');
}

function i13(evidence: Evidence): Finding {
  const { check, done } = tally();
  const actsOf = actsByRun(evidence);
  for (const [runId, events] of honest(evidence)) {
    const owners = ownersOf(events, (rightful, { rev, actor }) =>
      check(rightful === actor, () => `${runId}: revision ${rev} by ${actor}, not ${rightful}`),
    );
    for (const act of actsOf.get(runId) ?? []) {
      const rightful = ownerAt(events, owners, act.sentAt);
      const by = rightful && pidOf(rightful);
      check(by === undefined || by === act.pid, () => `${runId}: ${inWords(act)}; the run was ${rightful}'s`);
    }
  }
  return done('I13', 'an owner that has lost its run neither writes nor acts');
}

/** Whose the run is from each event on; `wrote` is told of every event of an owner, and who the owner was. */
function ownersOf(
  events: readonly Told[],
  wrote: (rightful: string, body: Told['body']) => void,
): Map<number, string> {
  const owners = new Map<number, string>();
  let owner: string | undefined;
  for (const [index, { type, body }] of events.entries()) {
    if (CLAIMS.has(type)) owner = body.actor;
    // Another worker may take a run that has rested without a word: the first that writes is its owner.
    else if (WAKES.has(type)) owner = undefined;
    // Quarantine is for whoever finds that the run cannot go on.
    else if (body.actor.startsWith('worker:') && type !== 'run.quarantined') {
      owner ??= body.actor;
      wrote(owner, body);
    }
    if (owner !== undefined) owners.set(index, owner);
  }
  return owners;
}

const CLAIMS: ReadonlySet<string> = new Set(['run.started', 'run.recovered']);
const WAKES: ReadonlySet<string> = new Set(['run.resumed', 'step.approved', 'control.released']);

/**
 * Whose the run surely was at a moment. An event may have been stored long after the time it carries, so a claim counts
 * from the next event its owner wrote, which can only have been written once the claim was stored.
 */
function ownerAt(
  events: readonly Told[],
  owners: ReadonlyMap<number, string>,
  at: number,
): string | undefined {
  const next = events.findIndex((event) => event.at >= at);
  const before = next === -1 ? events.length : next;
  const claim = events.slice(0, before).findLastIndex(({ type }) => CLAIMS.has(type));
  const since = events.slice(claim + 1, before);
  if (claim === -1 || since.some(({ type }) => WAKES.has(type))) return undefined;
  const owner = owners.get(claim);
  return since.some(({ body }) => body.actor === owner) ? owner : undefined;
}

function i15(evidence: Evidence): Finding {
  const { check, done } = tally();
  const actsOf = actsByRun(evidence);
  for (const { runId, mission } of evidence.notes.accepted) {
    const limit = mission.limits.maxCostUsd;
    const events = evidence.told.get(runId) ?? [];
    if (limit === undefined || evidence.tampered.has(runId)) continue;
    const raisedAt = events.find(({ type }) => type === 'budget.raised')?.at ?? Infinity;
    const spent = (actsOf.get(runId) ?? []).filter(({ sentAt }) => sentAt < raisedAt).length * PRICE_USD;
    // What an owner had spent that died before it could say so is one call each.
    const deaths = events.filter(({ type }) => type === 'run.recovered').length;
    const most = limit + deaths * mission.limits.maxParallel * PRICE_USD;
    check(spent <= most, () => `${runId}: ${spent} spent, of ${limit}, with ${deaths} owners lost`);
    for (const [index, { type }] of events.entries()) {
      if (type !== 'budget.exhausted') continue;
      const next = events.slice(index + 1).find((event) => STOPS.has(event.type));
      check(next?.type !== 'run.failed', () => `${runId}: ${next?.type} after its budget was exhausted`);
    }
  }
  return done('I15', 'a budget is asked before it is spent, and pauses a run that has used it up');
}
const STOPS: ReadonlySet<string> = new Set(['run.paused', 'run.failed', 'run.cancelled', 'run.resumed']);

function i16(evidence: Evidence): Finding {
  const { check, done } = tally();
  for (const { runId, second } of evidence.notes.holds)
    // The lease may have run out in the meantime, or the answer was lost and asked for again.
    check(
      second.status === 409 || second.status === 202,
      () => `${runId}: a second hand got ${second.status}`,
    );
  const actsOf = actsByRun(evidence);
  for (const [runId, events] of honest(evidence)) {
    for (const [index, taken] of events.entries()) {
      if (taken.type !== 'control.taken') continue;
      const released = events.slice(index + 1).find(({ type }) => LETS_GO.has(type));
      const late = (actsOf.get(runId) ?? []).filter(
        ({ sentAt }) => sentAt > taken.at && sentAt < (released?.at ?? Infinity),
      );
      check(late.length === 0, () => `${runId}: ${late.map(inWords).join(', ')} while a person held it`);
      const expired = released?.body.data.how === 'expired';
      check(
        !expired || released.body.stateto === 'paused',
        () => `${runId}: its lease ran out, and it went on`,
      );
    }
  }
  return done('I16', 'one controller at a time: no agent acts while a person holds a run');
}
const LETS_GO: ReadonlySet<string> = new Set(['control.released', 'run.resumed', 'run.cancelled']);

function i17({ notes, told }: Evidence): Finding {
  const { check, done } = tally();
  for (const { runId, mission } of notes.accepted) {
    for (const step of mission.plan.steps.filter((each) => each.approval === true)) {
      const events = (told.get(runId) ?? []).filter((event) => stepIdOf(event) === step.id);
      const acted = events.findIndex(({ type }) => type === 'step.started' || type === 'step.succeeded');
      const approved = events.slice(0, Math.max(acted, 0)).find(({ type }) => type === 'step.approved');
      const right = acted === -1 || approved?.body.data.argumentHash === argumentHashOf(step);
      check(right, () => `${runId}/${step.id}: acted without the approval of what it does`);
    }
  }
  return done('I17', 'a step that needs an approval has one of the same arguments before it acts');
}

const argumentHashOf = (step: ChaosStep): string =>
  createHash('sha256')
    .update(canonicalize({ do: step.do, with: step.with })!)
    .digest('hex');

const actsByRun = ({ seen }: Evidence): Map<string, Seen[]> =>
  Map.groupBy(
    seen.filter((act) => !isPersons(act)),
    ({ key }) => key.split('/')[0]!,
  );
const inWords = ({ key, pid, sentAt }: Seen): string => `${key} by process ${pid} at ${sentAt}`;
const pidOf = (actor: string): number => Number(/-(\d+)-[0-9a-f]{6}$/.exec(actor)?.[1]);
