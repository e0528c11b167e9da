import { createHash } from 'node:crypto';
import type { MissionRequest } from '#events/mission.js';
import { CURRENT_RUN_MACHINE } from '#machines/registry.js';
import { newId } from '../ids.js';
import type { FileFacts } from '../agentfs/agentfs.js';
import { ConflictError, type EventLog } from '../log/event-log.js';
import { digestOf } from '../log/hash-chain.js';
import { keepFresh } from './fresh-runs.js';
import { nextStart } from '../mission/schedule.js';
import { foldStored, writeFirst, type RunState } from './run-state.js';

export interface Submitted {
  readonly missionId: string;
  readonly runId: string;
  readonly seq: number;
  readonly rev: number;
  /** When it begins, if not now. */
  readonly startAt?: string | undefined;
}

/** The same Idempotency-Key came with another mission before. */
export class IdempotencyMismatchError extends Error {
  readonly code = 'idempotency-key-reused';
  constructor(readonly runId: string) {
    super('this Idempotency-Key was used for another mission');
    this.name = 'IdempotencyMismatchError';
  }
}

/** Files that came with a mission. */
export interface Uploads {
  readonly facts: readonly FileFacts[];
  /** Puts them into the folder of the run. */
  place(runId: string): Promise<void>;
}

export interface SubmitContext {
  readonly actor: string;
  readonly causationid: string;
  readonly idempotencyKey?: string | undefined;
  readonly dryRun: boolean;
  readonly uploads?: Uploads | undefined;
}

/**
 * Writes `run.created`. With an idempotency key the run's id is a digest of the key, so that the log itself refuses a
 * second run: no other record of keys has to be kept, or can be lost.
 */
export async function submitMission(
  log: EventLog,
  request: MissionRequest,
  context: SubmitContext,
): Promise<Submitted> {
  const { dryRun: _, ...mission } = request;
  const { uploads, dryRun } = context;
  const files = uploads && uploads.facts.length > 0 ? { files: [...uploads.facts] } : {};
  const requestDigest = digestOf({ ...mission, ...files, dryRun });
  const id = context.idempotencyKey === undefined ? newId() : idOfKey(context.idempotencyKey, context.actor);
  const runId = `run_${id}`;
  if (uploads && !(await placed(log, runId, uploads))) return earlierSubmission(log, runId, requestDigest);
  const recorded = { ...mission, ...files, id: `mission_${id}` };
  const startAt = mission.schedule && nextStart(mission.schedule, new Date());
  const envelope = writeFirst(
    runId,
    {
      type: 'run.created',
      data: {
        mission: recorded,
        machine: CURRENT_RUN_MACHINE,
        dryRun: context.dryRun,
        requestDigest,
        ...(startAt && { startAt }),
      },
    },
    { actor: context.actor, time: new Date().toISOString(), causationid: context.causationid },
  );
  keepFresh(envelope);
  try {
    const seq = await log.append(envelope, 0);
    return { missionId: recorded.id, runId, seq, rev: 1, startAt };
  } catch (error) {
    if (!(error instanceof ConflictError) || context.idempotencyKey === undefined) throw error;
    return earlierSubmission(log, runId, requestDigest);
  }
}

/** Puts files into the folder of a run. What an earlier run under the same key has there stays as it is. */
async function placed(log: EventLog, runId: string, uploads: Uploads): Promise<boolean> {
  if ((await log.head(runId)) > 0) return false;
  await uploads.place(runId);
  return true;
}

/** The first event alone has the answer: what has become of the run, and be it quarantined, does not matter here. */
async function earlierSubmission(log: EventLog, runId: string, requestDigest: string): Promise<Submitted> {
  const [first] = await log.read(runId);
  const created = foldStored(undefined, first!);
  if (created.requestDigest !== requestDigest) throw new IdempotencyMismatchError(runId);
  const { mission, startAt } = created.snapshot.context;
  return { missionId: mission.id, runId, seq: first!.seq, rev: 1, startAt: startAt ?? undefined };
}

const ID_ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** 26 characters of the alphabet of a ULID, out of the digest of the key and of who uses it. */
function idOfKey(key: string, actor: string): string {
  const digest = createHash('sha256').update(`${actor}\n${key}`).digest();
  return Array.from({ length: 26 }, (_, index) => ID_ALPHABET[digest[index]! % 32]).join('');
}

/** The next run of a mission that runs again and again; the same one, however often it is asked for. */
export async function submitNext(log: EventLog, state: RunState, now: Date): Promise<Submitted | undefined> {
  const { mission, dryRun } = state.snapshot.context;
  const { schedule } = mission;
  if (schedule?.cron === undefined) return undefined;
  const startAt = nextStart(schedule, now);
  if (startAt === undefined) return undefined;
  const runId = `run_${idOfKey(`${mission.id} ${startAt}`, 'schedule')}`;
  const data = {
    mission,
    machine: CURRENT_RUN_MACHINE,
    dryRun,
    requestDigest: state.requestDigest,
    parent: { runId: state.runId, rev: 1 },
    startAt,
  };
  const by = { actor: 'system', time: now.toISOString(), causationid: `schedule:${state.runId}` };
  const envelope = writeFirst(runId, { type: 'run.created', data }, by);
  try {
    const seq = await log.append(envelope, 0);
    return { missionId: mission.id, runId, seq, rev: 1 };
  } catch (error) {
    // Another worker was faster: it is there.
    if (error instanceof ConflictError) return undefined;
    throw error;
  }
}
