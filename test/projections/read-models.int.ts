import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { missionRequestSchema } from '#events/mission.js';
import type { JetStreamLog } from '../../src/log/jetstream.log.js';
import {
  checkpointsAhead,
  openReadModels,
  type ReadModels,
} from '../../src/projections/read-model-service.js';
import { handleCommand } from '../../src/runs/handle-command.js';
import { submitMission, type Submitted } from '../../src/runs/submit-mission.js';
import { settingsFor, startTestServer, type TestServer } from '../support/embedded.js';
import { HANG_MS } from '../support/wait.js';

let test: TestServer;
let log: JetStreamLog;
const faults: unknown[] = [];
beforeAll(async () => {
  test = await startTestServer();
  log = await test.openLog();
});
afterAll(async () => {
  await log.close();
  await test.stop();
});

const open = (name: string): Promise<ReadModels> =>
  openReadModels({
    log: settingsFor(test.server),
    file: join(test.home, `${name}.db`),
    onFault: (error) => faults.push(error),
  });
const submit = (objective: string): Promise<Submitted> =>
  submitMission(log, missionRequestSchema.parse({ objective }), {
    actor: 'me',
    causationid: 'req_1',
    dryRun: false,
  });
async function partitionOf({ runId }: Submitted): Promise<number> {
  return (await log.read(runId))[0]!.partition;
}
const folded = async (models: ReadModels, run: Submitted): Promise<boolean> =>
  models.progress.reached(await partitionOf(run), run.seq, HANG_MS);

describe('the read models of a process', () => {
  it('hold what was written before it started, and follow what is written since', async () => {
    const before = await submit('before');
    const models = await open('follows');
    expect(await folded(models, before)).toBe(true);
    expect(models.queries.runView(before.runId)!.run).toMatchObject({ title: 'before', status: 'queued' });
    const since = await submit('since');
    expect(await folded(models, since)).toBe(true);
    expect(models.queries.runView(since.runId)!.run.title).toBe('since');
    await models.close();
  });

  it('are whole in each of two processes that follow one log', async () => {
    const [left, right] = await Promise.all([open('left'), open('right')]);
    const run = await submit('for both');
    for (const models of [left, right]) {
      expect(await folded(models, run)).toBe(true);
      expect(models.queries.runView(run.runId)!.run.title).toBe('for both');
    }
    await Promise.all([left.close(), right.close()]);
  });

  it('go on after a restart where they were, and need not fold anything again', async () => {
    const run = await submit('kept');
    const first = await open('again');
    expect(await folded(first, run)).toBe(true);
    await first.close();
    const second = await open('again');
    expect(second.checkpoints[await partitionOf(run)]).toBeGreaterThanOrEqual(run.seq);
    expect(second.queries.runView(run.runId)!.run.title).toBe('kept');
    const later = await submit('later');
    expect(await folded(second, later)).toBe(true);
    await second.close();
  });

  it('tell who waits for it that a run has changed', async () => {
    const models = await open('watched');
    const run = await submit('watched');
    await folded(models, run);
    const cancelled = models.progress.changed(run.runId, HANG_MS, (status) => status === 'cancelled');
    await handleCommand(log, run.runId, { kind: 'CancelRun' }, { actor: 'me', causationid: 'req_2' });
    expect(await cancelled).toBe(true);
    expect(models.queries.runView(run.runId)!.run.status).toBe('cancelled');
    await models.close();
  });

  it('are found to be ahead of a log that has lost what they folded', async () => {
    const { lastSeq } = (await log.info())[0]!;
    expect(await checkpointsAhead(log, [lastSeq, 0])).toEqual([]);
    expect(await checkpointsAhead(log, [lastSeq + 1, 0])).toEqual([
      `partition 0 ends at sequence ${lastSeq}, but events up to ${lastSeq + 1} were already folded`,
    ]);
  });

  it('had no fault in all of this', () => {
    expect(faults).toEqual([]);
  });
});
