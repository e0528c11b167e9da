import { describe, expect, it } from '@jest/globals';
import { missionRequestSchema } from '#events/mission.js';
import { createMemoryLog } from '../../src/log/memory.log.js';
import { handleCommand } from '../../src/runs/handle-command.js';
import { quarantine } from '../../src/runs/quarantine.js';
import { loadRun } from '../../src/runs/load-run.js';
import {
  IdempotencyMismatchError,
  submitMission,
  type SubmitContext,
} from '../../src/runs/submit-mission.js';

const mission = (objective: string, more: object = {}) => missionRequestSchema.parse({ objective, ...more });
const by = (idempotencyKey?: string, more: Partial<SubmitContext> = {}): SubmitContext => ({
  actor: 'operator:ada',
  causationid: 'req_1',
  dryRun: false,
  idempotencyKey,
  ...more,
});

describe('a mission that is submitted', () => {
  it('is a queued run in the log', async () => {
    const log = createMemoryLog();
    const { runId, missionId, seq, rev } = await submitMission(
      log,
      mission('buy milk', { inputs: { litres: 2 } }),
      by(),
    );
    expect({ seq, rev }).toEqual({ seq: 1, rev: 1 });
    expect(runId).toMatch(/^run_[0-9A-HJKMNP-TV-Z]{26}$/);
    const [created] = await log.read(runId);
    expect(created!.body).toMatchObject({
      id: `${runId}:1`,
      type: 'skyagent.run.created',
      actor: 'operator:ada',
      statefrom: 'none',
      stateto: 'queued',
      data: {
        machine: 'run@1',
        dryRun: false,
        mission: { id: missionId, objective: 'buy milk', inputs: { litres: 2 } },
      },
    });
    expect((await loadRun(log, runId)).snapshot.context.mission.objective).toBe('buy milk');
  });

  it('twice without a key is two runs', async () => {
    const log = createMemoryLog();
    const first = await submitMission(log, mission('buy milk'), by());
    const second = await submitMission(log, mission('buy milk'), by());
    expect(second.runId).not.toBe(first.runId);
  });

  it('twice with the same key is one run, whatever has become of it', async () => {
    const log = createMemoryLog();
    const first = await submitMission(log, mission('buy milk'), by('key-1'));
    await handleCommand(log, first.runId, { kind: 'CancelRun' }, { actor: 'me', causationid: 'req_2' });
    expect(await submitMission(log, mission('buy milk'), by('key-1', { causationid: 'req_9' }))).toEqual(
      first,
    );
    const [partition] = await log.info();
    expect(partition).toMatchObject({ lastSeq: 2 });
  });

  it('twice with the same key is one run also when that run is in quarantine', async () => {
    const log = createMemoryLog();
    const first = await submitMission(log, mission('buy milk'), by('key-1'));
    await quarantine(log, first.runId, 'it was damaged', { actor: 'system' });
    expect(await submitMission(log, mission('buy milk'), by('key-1'))).toEqual(first);
  });

  it('many times at once with the same key is one run', async () => {
    const log = createMemoryLog(4);
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => submitMission(log, mission('buy milk'), by('key-1'))),
    );
    expect(new Set(answers.map(({ runId }) => runId)).size).toBe(1);
    expect((await log.info()).reduce((sum, { lastSeq }) => sum + lastSeq, 0)).toBe(1);
  });

  it.each([
    ['another objective', mission('buy bread'), by('key-1')],
    ['other inputs', mission('buy milk', { inputs: { litres: 3 } }), by('key-1')],
    ['a dry run', mission('buy milk'), by('key-1', { dryRun: true })],
  ])('with a key that was used for %s is refused', async (_, other, context) => {
    const log = createMemoryLog();
    const { runId } = await submitMission(log, mission('buy milk'), by('key-1'));
    const refused = submitMission(log, other, context);
    await expect(refused).rejects.toThrow(IdempotencyMismatchError);
    await expect(refused).rejects.toMatchObject({ code: 'idempotency-key-reused', runId });
    expect(await log.read(runId)).toHaveLength(1);
  });

  it('keeps the keys of different people apart', async () => {
    const log = createMemoryLog();
    const mine = await submitMission(log, mission('buy milk'), by('key-1'));
    const yours = await submitMission(log, mission('buy bread'), by('key-1', { actor: 'operator:bob' }));
    expect(yours.runId).not.toBe(mine.runId);
  });

  it('has with a key this id, for good: an answer may be asked for again after an update', async () => {
    const { runId } = await submitMission(createMemoryLog(), mission('buy milk'), by('key-1'));
    expect(runId).toBe('run_3Z6TPQR58EAYZW6R3HD7NZ3F4Q');
  });
});
