import { describe, expect, it } from '@jest/globals';
import { missionRequestSchema } from '#events/mission.js';
import { isRefusal } from '#machines/run/run.decide.js';
import { statusOf } from '#machines/run/run.effects.js';
import { ConflictError, type EventLog } from '../../src/log/event-log.js';
import { createMemoryLog } from '../../src/log/memory.log.js';
import { handleCommand, StaleRevisionError } from '../../src/runs/handle-command.js';
import { RunNotFoundError } from '../../src/runs/load-run.js';
import type { RunState } from '../../src/runs/run-state.js';
import { submitMission } from '../../src/runs/submit-mission.js';

const BY = { actor: 'operator:test', causationid: 'req_2' };
const PAUSE = { kind: 'PauseRun' } as const;

async function queuedRun(): Promise<{ log: EventLog; runId: string }> {
  const log = createMemoryLog();
  const request = missionRequestSchema.parse({ objective: 'do it' });
  const { runId } = await submitMission(log, request, {
    actor: 'operator:test',
    causationid: 'req_1',
    dryRun: false,
  });
  return { log, runId };
}
const typesOf = async (log: EventLog, runId: string): Promise<string[]> =>
  (await log.read(runId)).map(({ body }) => (body as { type: string }).type.replace('skyagent.', ''));

/** A log in which somebody else's command comes first, this many times. */
function contended(log: EventLog, times: number, rival: () => Promise<unknown>): EventLog {
  let left = times;
  return {
    ...log,
    append: async (envelope, afterSeq) => {
      if (left-- > 0) await rival();
      return log.append(envelope, afterSeq);
    },
  };
}

describe('a command', () => {
  it('is written into the log, and answers the run as it is then', async () => {
    const { log, runId } = await queuedRun();
    const state = (await handleCommand(log, runId, { kind: 'PauseRun', reason: 'lunch' }, BY)) as RunState;
    expect(statusOf(state.snapshot)).toBe('paused');
    expect(state).toMatchObject({ runId, rev: 2, seq: 2 });
    const [, paused] = await log.read(runId);
    expect(paused!.body).toMatchObject({
      type: 'skyagent.run.paused',
      actor: 'operator:test',
      causationid: 'req_2',
      statefrom: 'queued',
      stateto: 'paused',
      data: { interrupted: [], reason: 'lunch' },
    });
  });

  it('that is not legal is a refusal that names what is, and writes nothing', async () => {
    const { log, runId } = await queuedRun();
    expect(await handleCommand(log, runId, { kind: 'ResumeRun' }, BY)).toEqual({
      refused: 'illegal-command',
      message: 'ResumeRun is not legal while the run is queued; legal now: pause, cancel, fork',
      state: 'queued',
      legal: ['pause', 'cancel', 'fork'],
    });
    expect(await typesOf(log, runId)).toEqual(['run.created']);
  });

  it('is decided again when somebody else was first', async () => {
    const { log, runId } = await queuedRun();
    const busy = contended(log, 1, () => handleCommand(log, runId, PAUSE, BY));
    const state = await handleCommand(busy, runId, { kind: 'CancelRun' }, BY);
    expect(isRefusal(state)).toBe(false);
    expect(await typesOf(log, runId)).toEqual(['run.created', 'run.paused', 'run.cancelled']);
  });

  it('is refused when what somebody else did first makes it illegal', async () => {
    const { log, runId } = await queuedRun();
    const busy = contended(log, 1, () => handleCommand(log, runId, { kind: 'CancelRun' }, BY));
    expect(await handleCommand(busy, runId, PAUSE, BY)).toMatchObject({
      refused: 'illegal-command',
      state: 'cancelled',
      legal: ['retry', 'fork'],
    });
  });

  it('gives up on a run that is never at rest', async () => {
    const { log, runId } = await queuedRun();
    const never: EventLog = { ...log, append: () => Promise.reject(new ConflictError(runId, 1)) };
    await expect(handleCommand(never, runId, PAUSE, BY)).rejects.toThrow(ConflictError);
  });

  it('has one winner when many give it at once, and the others are refused', async () => {
    const { log, runId } = await queuedRun();
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        handleCommand(log, runId, PAUSE, { ...BY, causationid: `req_${index}` }),
      ),
    );
    expect(answers.filter((answer) => !isRefusal(answer))).toHaveLength(1);
    expect(await typesOf(log, runId)).toEqual(['run.created', 'run.paused']);
  });

  it('for a certain revision is only for that one', async () => {
    const { log, runId } = await queuedRun();
    const stale = handleCommand(log, runId, PAUSE, { ...BY, ifRev: 2 });
    await expect(stale).rejects.toThrow(StaleRevisionError);
    await expect(stale).rejects.toMatchObject({ code: 'stale-revision', runId, expected: 2, actual: 1 });
    expect(isRefusal(await handleCommand(log, runId, PAUSE, { ...BY, ifRev: 1 }))).toBe(false);
  });

  it('for a certain revision is not decided again for a newer one', async () => {
    const { log, runId } = await queuedRun();
    const busy = contended(log, 1, () => handleCommand(log, runId, PAUSE, BY));
    await expect(handleCommand(busy, runId, { kind: 'CancelRun' }, { ...BY, ifRev: 1 })).rejects.toThrow(
      StaleRevisionError,
    );
    expect(await typesOf(log, runId)).toEqual(['run.created', 'run.paused']);
  });

  it('for a run there is not says so', async () => {
    const { log } = await queuedRun();
    await expect(handleCommand(log, 'run_none', PAUSE, BY)).rejects.toThrow(RunNotFoundError);
  });
});
