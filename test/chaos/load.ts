import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, Reply } from './client.js';
import { takeOver, type Hold } from './takeover.js';
import { missionOf, type ChaosMission } from './missions.js';
import type { Random } from './random.js';

/** A mission the gateway answered 202 for. */
export interface Accepted {
  readonly runId: string;
  readonly mission: ChaosMission;
}

/** What the client itself remembers. */
export interface Notes {
  readonly accepted: Accepted[];
  /** When a pause was asked for that was answered at the first try. */
  readonly pauses: { readonly runId: string; readonly askedAt: number }[];
  /** Idempotency-Keys used again, and what was wrong with the answers. */
  readonly reused: { count: number; readonly wrong: string[] };
  /** Commands that were taken. */
  commands: number;
  /** When people had the controls of a run, and what else they were answered meanwhile. */
  readonly holds: Hold[];
  /** How each run ended, as the gateway told it; nothing, when it did not end in time. */
  readonly ends: Map<string, string | undefined>;
}

export interface LoadOptions {
  readonly client: Client;
  readonly random: Random;
  readonly witnessUrl: string;
  readonly name: string;
  /** Runs in the hands of this client at a time. */
  readonly lanes: number;
  readonly runs: number;
  /** From then on nothing new is handed in. */
  readonly enough: AbortSignal;
  /** From then on nothing is waited for. */
  readonly giveUp: AbortSignal;
}

const TWICE_SHARE = 0.2;
const OTHER_BODY_SHARE = 0.05;
const PAUSE_SHARE = 0.3;
const CANCEL_SHARE = 0.08;
const TAKEOVER_SHARE = 0.12;
const OVER: ReadonlySet<unknown> = new Set(['succeeded', 'failed', 'cancelled', 'quarantined']);

export const emptyNotes = (): Notes => ({
  accepted: [],
  pauses: [],
  reused: { count: 0, wrong: [] },
  commands: 0,
  holds: [],
  ends: new Map(),
});

/** Hands in missions, several at a time, and does to their runs what people do. Ends when every run has ended. */
export async function drive(options: LoadOptions, notes: Notes): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < options.runs && !options.enough.aborted) {
      const name = `${options.name}-${next++}`;
      const accepted = await handIn(options, notes, name);
      await Promise.all([disturb(options, notes, accepted), seeToTheEnd(options, notes, accepted)]);
    }
  };
  await Promise.all(Array.from({ length: options.lanes }, lane));
}

async function handIn(options: LoadOptions, notes: Notes, name: string): Promise<Accepted> {
  const { client, random, witnessUrl } = options;
  const mission = missionOf(name, witnessUrl, random);
  const headers = { 'idempotency-key': name };
  const first = await client.ask('/missions', { method: 'POST', headers, body: mission });
  const accepted = acceptedOf(first, mission);
  notes.accepted.push(accepted);
  if (random.chance(TWICE_SHARE)) {
    const again = await client.ask('/missions', { method: 'POST', headers, body: mission });
    expectSame(notes, name, again.status === 202 && same(first, again), again);
  }
  if (random.chance(OTHER_BODY_SHARE)) {
    const body = { ...mission, objective: 'another' };
    const other = await client.ask('/missions', { method: 'POST', headers, body });
    expectSame(notes, name, other.status === 422, other);
  }
  return accepted;
}

function acceptedOf({ status, body }: Reply, mission: ChaosMission): Accepted {
  if (status !== 202)
    throw new Error(`a mission was refused: ${status} ${JSON.stringify(body).slice(0, 1000)}`);
  return { runId: body.runId as string, mission };
}

const same = (one: Reply, other: Reply): boolean =>
  ['runId', 'missionId', 'seq'].every((field) => one.body[field] === other.body[field]);

function expectSame({ reused }: Notes, name: string, right: boolean, { status, body }: Reply): void {
  reused.count++;
  if (!right) reused.wrong.push(`${name}: ${status} ${JSON.stringify(body)}`);
}

/** Pauses and resumes a run, takes its controls, cancels it, or leaves it alone. */
async function disturb(options: LoadOptions, notes: Notes, { runId }: Accepted): Promise<void> {
  const { random } = options;
  const what = random.next();
  await sleep(random.between(0, 1_500));
  if (what < CANCEL_SHARE) await tell(options, notes, runId, 'cancel');
  else if (what < CANCEL_SHARE + PAUSE_SHARE) await pauseAndResume(options, notes, runId);
  else if (what < CANCEL_SHARE + PAUSE_SHARE + TAKEOVER_SHARE) await takeOver(options, notes, runId);
}

async function pauseAndResume(options: LoadOptions, notes: Notes, runId: string): Promise<void> {
  const { client, random, giveUp } = options;
  const { status, tries, startedAt } = await tell(options, notes, runId, 'pause');
  if (status !== 202) return;
  if (tries === 1) notes.pauses.push({ runId, askedAt: startedAt });
  await sleep(random.between(50, 1_000));
  while (!giveUp.aborted) {
    const { status: answer, body } = await client.ask(`/runs/${runId}/resume`, { method: 'POST', body: {} });
    if (answer === 202) notes.commands++;
    if (answer === 202 || body.state !== 'pausing') return;
    await sleep(50);
  }
}

async function tell({ client }: LoadOptions, notes: Notes, runId: string, command: string): Promise<Reply> {
  const reply = await client.ask(`/runs/${runId}/${command}`, { method: 'POST', body: {} });
  if (reply.status === 202) notes.commands++;
  return reply;
}

/** Does for a run what it waits for a person to do, until it has ended. */
async function seeToTheEnd(options: LoadOptions, notes: Notes, { runId }: Accepted): Promise<void> {
  const { client, giveUp } = options;
  notes.ends.set(runId, undefined);
  for (let paused = 0; !giveUp.aborted;) {
    const { body } = await client.ask(`/runs/${runId}`, { headers: { prefer: 'wait=2' } });
    if (OVER.has(body.status)) return void notes.ends.set(runId, body.status as string);
    if (body.status === 'awaiting-approval') await approve(options, notes, runId, body.steps);
    // A pause whose answer was lost: nobody else will resume it.
    paused = body.status === 'paused' ? paused + 1 : 0;
    if (body.status === 'paused' && (body.control as Control)?.state === 'exhausted')
      await raiseBudget(options, notes, runId);
    if (paused > 20) await tell(options, notes, runId, 'resume');
    if (body.status === 'paused' || body.status === 'awaiting-approval') await sleep(100);
  }
}

type Control = { readonly state: string } | null;

/** A run that a limit has stopped goes on once that is raised. */
async function raiseBudget({ client }: LoadOptions, notes: Notes, runId: string): Promise<void> {
  const body = { limits: { maxCostUsd: 1_000 } };
  const { status } = await client.ask(`/runs/${runId}/budget`, { method: 'POST', body });
  if (status === 202) notes.commands++;
  await client.ask(`/runs/${runId}/resume`, { method: 'POST', body: {} });
}

async function approve(options: LoadOptions, notes: Notes, runId: string, steps: unknown): Promise<void> {
  for (const { id, state } of steps as { id: string; state: string }[]) {
    if (state !== 'awaitingApproval') continue;
    const body = { stepId: id };
    const { status } = await options.client.ask(`/runs/${runId}/approve`, { method: 'POST', body });
    if (status === 202) notes.commands++;
  }
}
