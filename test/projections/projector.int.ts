import { readFile, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Envelope } from '#events/envelope.js';
import { fail } from '../../src/failures/failures.js';
import type { EventLog, StoredEvent } from '../../src/log/event-log.js';
import { seal } from '../../src/log/hash-chain.js';
import { createMemoryLog } from '../../src/log/memory.log.js';
import { generateSchema, openDatabase, schemaFile, type Database } from '../../src/projections/database.js';
import { createProjector, type Batch } from '../../src/projections/projector.js';
import { createQueries } from '../../src/projections/queries.js';
import {
  createHost,
  fakeDriver,
  gives,
  step,
  stopHostsAfterEach,
  unsafe,
  untilAborted,
} from '../support/host.js';
import { removeFolder, tempFolder } from '../support/temp.js';
import { until } from '../support/wait.js';

/** Runs of every kind, over two partitions, by what they show. */
interface Histories {
  readonly batches: readonly Batch[];
  readonly runs: Readonly<
    Record<'plain' | 'each' | 'paused' | 'cancelled' | 'failed' | 'asked' | 'queued' | 'doubt', string>
  >;
}

stopHostsAfterEach();
let folder: string;
let histories: Histories;
beforeAll(async () => {
  folder = await tempFolder();
  histories = await makeHistories();
}, 30_000);
afterAll(() => removeFolder(folder));

let database: Database;
let files = 0;
const freshDatabase = (): Promise<Database> => openDatabase(join(folder, `readmodels-${++files}.db`));
beforeEach(async () => {
  database = await freshDatabase();
});
afterEach(() => database.close());

async function makeHistories(): Promise<Histories> {
  const host = await createHost(createMemoryLog(2));
  const driver = fakeDriver({
    held: untilAborted,
    wrong: () => Promise.reject(fail('page-status', 'the page answered 500')),
    each: (task) =>
      task.stepId === 'each.1' ? Promise.reject(fail('page-status', 'no')) : gives(task.stepId),
    file: () => ({
      ...gives({ secret: 'page text' }, true),
      artifacts: [
        { path: 'outputs/a.txt', type: 'text', mediaType: 'text/plain', digest: 'a'.repeat(64), bytes: 3 },
      ],
    }),
  });
  const queued = await host.submit([step('a')], { objective: 'wait for an owner' }, 'queued');
  await host.tell(queued, { kind: 'PauseRun', reason: 'not yet' });
  await host.tell(queued, { kind: 'ResumeRun' });
  const lonely = await host.submit([step('a')], {}, 'lonely');
  await host.tell(lonely, { kind: 'CancelRun', reason: 'no need' });
  const worker = await host.work(driver);
  const runs = {
    plain: await host.submit(
      [step('a'), step('file', { needs: ['a'], expect: [{ jsonata: 'true' }] })],
      { objective: 'plain' },
      'plain',
    ),
    each: await host.submit(
      [step('each', { forEach: '{{ ["x", "y", "z"] }}', onFailure: 'continue' })],
      {},
      'each',
    ),
    paused: await host.submit([step('held')], {}, 'paused'),
    cancelled: lonely,
    failed: await host.submit([step('wrong', { retry: { max: 1, backoffMs: 1 } })], {}, 'failed'),
    asked: await host.submit([step('ask', { approval: true })], {}, 'asked'),
    doubt: await host.submit([unsafe('act')], {}, 'doubt'),
    queued,
  };
  await until('it is held', () => driver.times('held') === 1);
  await host.tell(runs.paused, { kind: 'PauseRun', reason: 'lunch' });
  await host.ends(runs.paused, 'paused');
  for (const runId of [runs.plain, runs.each, runs.doubt, queued]) await host.ends(runId, 'succeeded');
  await host.ends(runs.failed, 'failed');
  await host.ends(runs.asked, 'awaiting-approval');
  await worker.stop();
  return { batches: await batchesOf(host.log), runs };
}

async function batchesOf(log: EventLog): Promise<Batch[]> {
  const info = await log.info();
  return Promise.all(
    info.map(async ({ partition, lastSeq }) => {
      const events: StoredEvent[] = [];
      const subscription = await log.follow(partition, 0, (batch) => void events.push(...batch));
      await until('all was read', () => events.length >= lastSeq);
      await subscription.stop();
      return { partition, events };
    }),
  );
}

/** Every row of every table; telemetry without its running number. */
function dump({ db }: Database): Record<string, unknown[]> {
  const tables = db
    .prepare(`select name from sqlite_master where type = 'table' and name not like 'sqlite_%'`)
    .pluck()
    .all() as string[];
  return Object.fromEntries(
    tables.sort().map((table) => {
      const rows = db.prepare(`select * from ${table}`).all() as Record<string, unknown>[];
      const comparable = rows.map(({ id, ...row }) =>
        JSON.stringify(table === 'telemetry' ? row : { id, ...row }),
      );
      return [table, comparable.sort()];
    }),
  );
}

const foldAll = (into: Database, batches: readonly Batch[] = histories.batches): void => {
  createProjector(into.db).fold(batches);
};

describe('the folded rows', () => {
  const runRow = (runId: string) => createQueries(database).runView(runId)!;

  it('tell a run that succeeded, with its steps', async () => {
    foldAll(database);
    const { run, steps } = runRow(histories.runs.plain);
    expect(run).toMatchObject({
      title: 'plain',
      status: 'succeeded',
      rev: 6,
      machine: 'run@1',
      dryRun: false,
      epoch: 1,
      worker: null,
      stepsTotal: 2,
      stepsFinished: 2,
      failure: null,
      startedAt: expect.any(String),
      finishedAt: expect.any(String),
    });
    expect(steps).toEqual([
      { id: 'a', title: 'step a', state: 'succeeded', attempt: 1, parent: null },
      { id: 'file', title: 'step file', state: 'succeeded', attempt: 1, parent: null },
    ]);
  });

  it('tell a step by its runtime, its output by digest, and its artifacts', async () => {
    foldAll(database);
    const queries = createQueries(database);
    const [first, second] = await queries.stepsOfRun(histories.runs.plain);
    expect(first).toMatchObject({
      does: 'workspace.call',
      runtime: 'workspace',
      output: { inline: { did: 'a' } },
    });
    expect(second!.output).toEqual({
      digest: expect.any(String),
      bytes: 22,
      path: expect.stringMatching(/^artifacts\/[0-9a-f]{64}\.json$/),
    });
    expect(second!.evidence).toEqual([{ kind: 'check', check: 'jsonata', passed: true }]);
    expect(await queries.artifactsOfRun(histories.runs.plain)).toMatchObject([
      { path: 'outputs/a.txt', stepId: 'file', type: 'text', mediaType: 'text/plain', bytes: 3 },
    ]);
  });

  it('hold no page text', () => {
    foldAll(database);
    expect(JSON.stringify(dump(database))).not.toContain('page text');
  });

  it('tell the children of a forEach step after it, and count all of them', () => {
    foldAll(database);
    const { run, steps } = runRow(histories.runs.each);
    expect(steps.map(({ id, state, parent }) => [id, state, parent])).toEqual([
      ['each', 'succeeded', null],
      ['each.0', 'succeeded', 'each'],
      ['each.1', 'failed', 'each'],
      ['each.2', 'succeeded', 'each'],
    ]);
    expect(run.stepsFinished).toBe(run.stepsTotal);
  });

  it('tell why a run failed, and which attempt it was', () => {
    foldAll(database);
    const { run, steps } = runRow(histories.runs.failed);
    expect(run).toMatchObject({
      status: 'failed',
      failure: { code: 'page-status', message: 'step wrong: the page answered 500' },
    });
    expect(steps).toMatchObject([{ id: 'wrong', state: 'failed', attempt: 2 }]);
  });

  it('tell who paused or cancelled a run, and why', () => {
    foldAll(database);
    expect(runRow(histories.runs.paused)).toMatchObject({
      run: { status: 'paused' },
      control: { state: 'paused', reason: 'lunch', actor: expect.stringMatching(/^worker:/) },
    });
    expect(runRow(histories.runs.cancelled)).toMatchObject({
      run: { status: 'cancelled', worker: null },
      control: { state: 'cancelled', reason: 'no need', actor: 'operator:test' },
    });
    expect(runRow(histories.runs.queued).control).toMatchObject({ state: 'resumed', reason: null });
  });

  it('tell that a step waits for a person', () => {
    foldAll(database);
    expect(runRow(histories.runs.asked)).toMatchObject({
      run: { status: 'awaiting-approval' },
      steps: [{ state: 'awaitingApproval' }],
    });
  });

  it('tell one mission a run, and one line of telemetry an event', () => {
    foldAll(database);
    const count = (table: string) => database.db.prepare(`select count(*) from ${table}`).pluck().get();
    expect(count('missions')).toBe(8);
    expect(count('runs')).toBe(8);
    expect(count('telemetry')).toBe(histories.batches.reduce((sum, { events }) => sum + events.length, 0));
  });

  it('tell what waits for an owner and what has one; a run at rest is neither', async () => {
    const batches = histories.batches.map(({ partition, events }) => ({
      partition,
      events: events.slice(0, 1),
    }));
    foldAll(database, batches);
    expect(await createQueries(database).queueOverview()).toMatchObject({ queued: 2, owned: 0 });
    foldAll(database);
    expect(await createQueries(database).queueOverview()).toMatchObject({ queued: 0, owned: 0, jobs: [] });
  });

  it('can be listed by status and words, page by page', async () => {
    foldAll(database);
    const { listRuns } = createQueries(database);
    expect((await listRuns({ status: ['paused', 'failed'], limit: 10 })).rows).toHaveLength(2);
    expect((await listRuns({ q: 'owner', limit: 10 })).rows.map(({ id }) => id)).toEqual([
      histories.runs.queued,
    ]);
    const first = await listRuns({ limit: 5 });
    const second = await listRuns({ limit: 5, cursor: first.next });
    expect(second.next).toBeUndefined();
    const ids = [...first.rows, ...second.rows].map(({ id }) => id);
    expect(new Set(ids)).toEqual(new Set(Object.values(histories.runs)));
    expect(ids).toHaveLength(8);
  });
});

describe('a fold', () => {
  let whole: Record<string, unknown[]>;
  beforeEach(async () => {
    const reference = await freshDatabase();
    foldAll(reference);
    whole = dump(reference);
    await reference.close();
  });

  it('of the same events again changes nothing', () => {
    foldAll(database);
    foldAll(database);
    expect(dump(database)).toEqual(whole);
  });

  it('passes over events that come twice in one batch, or in two that overlap', () => {
    const [left, right] = histories.batches as [Batch, Batch];
    const twice = { ...left, events: left.events.flatMap((stored) => [stored, stored]) };
    const overlapping = [
      { ...right, events: right.events.slice(0, 12) },
      { ...right, events: right.events.slice(5) },
    ];
    foldAll(database, [twice, ...overlapping]);
    expect(dump(database)).toEqual(whole);
  });

  it('in batches of any size gives the rows of one fold from zero', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 }),
        async (sizes) => {
          const incremental = await freshDatabase();
          const projector = createProjector(incremental.db);
          for (const batch of histories.batches)
            for (const part of cutInto(batch, sizes)) projector.fold([part]);
          expect(dump(incremental)).toEqual(whole);
          await incremental.close();
        },
      ),
      { numRuns: 12 },
    );
  });

  it('after a restart goes on where the rows are', () => {
    const halves = histories.batches.map((batch) => ({ ...batch, events: batch.events.slice(0, 7) }));
    foldAll(database, halves);
    expect(createProjector(database.db).checkpoint(0)).toBe(7);
    foldAll(database);
    expect(dump(database)).toEqual(whole);
  });

  it('that fails moves neither rows nor checkpoint, and can be made again', () => {
    database.db.exec(
      `create trigger boom before insert on telemetry when new.type = 'skyagent.run.failed' begin select raise(abort, 'boom'); end`,
    );
    const empty = dump(database);
    expect(() => foldAll(database)).toThrow('boom');
    expect(dump(database)).toEqual(empty);
    expect(createProjector(database.db).checkpoint(0)).toBe(0);
    database.db.exec('drop trigger boom');
    foldAll(database);
    expect(dump(database)).toEqual(whole);
  });

  it('tells how far it has come, and which runs changed', () => {
    const [batch] = histories.batches as [Batch];
    const advances = createProjector(database.db).fold([batch]);
    const statuses = Object.fromEntries(
      batch.events.map(({ body }) => [(body as Envelope).subject, (body as Envelope).stateto]),
    );
    expect(advances).toEqual([{ partition: batch.partition, seq: batch.events.length, runs: statuses }]);
  });

  it('of an event of a newer version quarantines its run, and of no event at all reports it and goes on', () => {
    const [batch] = histories.batches as [Batch];
    const first = batch.events[0]!.body as Envelope;
    const { hash: _, ...unhashed } = { ...first, rev: 99, type: 'skyagent.step.teleported' };
    const bad: StoredEvent[] = [];
    const next = batch.events.length + 1;
    const projector = createProjector(database.db, (stored) => bad.push(stored));
    projector.fold([batch]);
    projector.fold([
      {
        partition: batch.partition,
        events: [
          { partition: batch.partition, seq: next, body: 'not an event' },
          { partition: batch.partition, seq: next + 1, body: seal(unhashed) },
        ],
      },
    ]);
    expect(bad.map(({ seq }) => seq)).toEqual([next]);
    expect(createQueries(database).runView(first.subject)!.run).toMatchObject({
      status: 'quarantined',
      rev: 99,
    });
    expect(projector.checkpoint(batch.partition)).toBe(next + 1);
  });
});

function cutInto({ partition, events }: Batch, sizes: readonly number[]): Batch[] {
  const parts: Batch[] = [];
  for (let at = 0, turn = 0; at < events.length; turn++) {
    const size = sizes[turn % sizes.length]!;
    parts.push({ partition, events: events.slice(at, at + size) });
    at += size;
  }
  return parts;
}

describe('the database', () => {
  it('has the schema that is committed; after a change of an entity run `npm run schemas`', async () => {
    expect(await readFile(schemaFile, 'utf8')).toBe(await generateSchema());
  });

  it('keeps its rows when it is opened again', async () => {
    const file = join(folder, 'again.db');
    const first = await openDatabase(file);
    foldAll(first);
    const rows = dump(first);
    await first.close();
    const second = await openDatabase(file);
    expect(dump(second)).toEqual(rows);
    await second.close();
  });

  it('that was made for another schema is made anew, and so is one that is none', async () => {
    const file = join(folder, 'old.db');
    const old = await openDatabase(file);
    foldAll(old);
    old.db.pragma('user_version = 1');
    await old.close();
    const fresh = await openDatabase(file);
    expect(dump(fresh).runs).toEqual([]);
    await fresh.close();
    const none = join(folder, 'none.db');
    await writeFile(none, 'this is no database, and it is longer than the header of one would be');
    const made = await openDatabase(none);
    expect(dump(made).runs).toEqual([]);
    await made.close();
  });

  it('leaves no log beside it once it is closed', async () => {
    const file = join(folder, 'closed.db');
    const opened = await openDatabase(file);
    foldAll(opened);
    await opened.close();
    expect(existsSync(`${file}-wal`)).toBe(false);
  });
});
