import { createHash } from 'node:crypto';
import type { MissionRequest } from '#events/mission.js';
import { CURRENT_RUN_MACHINE } from '#machines/registry.js';
import { newId } from '../ids.js';
import { ConflictError, type EventLog } from '../log/event-log.js';
import { digestOf } from '../log/hash-chain.js';
import { keepFresh } from './fresh-runs.js';
import { loadRun } from './load-run.js';
import { writeFirst } from './run-state.js';

export interface Submitted {
  readonly missionId: string;
  readonly runId: string;
  readonly seq: number;
  readonly rev: number;
}

/** The same Idempotency-Key came with another mission before. */
export class IdempotencyMismatchError extends Error {
  readonly code = 'idempotency-key-reused';
  constructor(readonly runId: string) {
    super('this Idempotency-Key was used for another mission');
    this.name = 'IdempotencyMismatchError';
  }
}

export interface SubmitContext {
  readonly actor: string;
  readonly causationid: string;
  readonly idempotencyKey?: string | undefined;
  readonly dryRun: boolean;
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
  const requestDigest = digestOf({ ...mission, dryRun: context.dryRun });
  const id = context.idempotencyKey === undefined ? newId() : idOfKey(context.idempotencyKey, context.actor);
  const runId = `run_${id}`;
  const recorded = { ...mission, id: `mission_${id}` };
  const envelope = writeFirst(
    runId,
    {
      type: 'run.created',
      data: { mission: recorded, machine: CURRENT_RUN_MACHINE, dryRun: context.dryRun, requestDigest },
    },
    { actor: context.actor, time: new Date().toISOString(), causationid: context.causationid },
  );
  keepFresh(envelope);
  try {
    const seq = await log.append(envelope, 0);
    return { missionId: recorded.id, runId, seq, rev: 1 };
  } catch (error) {
    if (!(error instanceof ConflictError) || context.idempotencyKey === undefined) throw error;
    return earlierSubmission(log, runId, requestDigest);
  }
}

async function earlierSubmission(log: EventLog, runId: string, requestDigest: string): Promise<Submitted> {
  const [first] = await log.read(runId);
  const state = await loadRun(log, runId);
  if (state.requestDigest !== requestDigest) throw new IdempotencyMismatchError(runId);
  return { missionId: state.snapshot.context.mission.id, runId, seq: first!.seq, rev: 1 };
}

const ID_ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** 26 characters of the alphabet of a ULID, out of the digest of the key and of who uses it. */
function idOfKey(key: string, actor: string): string {
  const digest = createHash('sha256').update(`${actor}\n${key}`).digest();
  return Array.from({ length: 26 }, (_, index) => ID_ALPHABET[digest[index]! % 32]).join('');
}
