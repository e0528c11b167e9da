import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Envelope } from '#events/envelope.js';
import { verify } from '../../src/eval/verify.js';
import type { EventLog, StoredEvent } from '../../src/log/event-log.js';
import { createMemoryLog } from '../../src/log/memory.log.js';
import { databaseFile, openDatabase } from '../../src/projections/database.js';
import { createHost, fakeDriver, step, stopHostsAfterEach } from '../support/host.js';
import { hangs, noop, planned, write } from '../support/server-missions.js';
import { rested, startServer, submit, submitAndRest, type TestServer } from '../support/server-test.js';

stopHostsAfterEach();

describe('a whole log with its rows', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
    const { id } = await submitAndRest(
      server,
      planned([write('a', 'outputs/a.txt'), noop('b', { needs: ['a'] })]),
    );
    await server.post(`/runs/${id}/retry`, { fromStep: 'b' });
    await submitAndRest(server, planned([noop('each', { forEach: '{{ [1, 2] }}' })]));
    await submitAndRest(server, { objective: 'organise the files' });
    const { runId } = await submit(server, planned([hangs('a'), noop('b')]));
    await server.post(`/runs/${runId}/takeover`, {});
    await rested(server, runId);
  });
  afterAll(() => server.stop());

  const file = () => databaseFile(server.engine.config.home);
  const change = async (sql: string) => {
    const database = await openDatabase(file());
    database.db.exec(sql);
    await database.close();
  };
  const rowViolations = async () =>
    (await verify(server.engine.log, file())).violations.map(
      ({ invariant, detail }) => `${invariant}: ${detail}`,
    );

  it('is as it must be after runs of every kind, while the server works', async () => {
    const found = await verify(server.engine.log, file());
    expect(found.violations).toEqual([]);
    expect(found).toMatchObject({ runs: 5, quarantined: 0, events: await server.logged() });
    expect(found.rows).toBeGreaterThan(found.events);
  });

  it('shows a row that was changed, taken away or put in by hand', async () => {
    const { id } = await submitAndRest(server, planned([noop('a')]));
    await change(`update runs set status = 'succeeded ' where id = '${id}'`);
    expect(await rowViolations()).toEqual([`rows: runs: the row of ${id} is changed`]);
    await change(`update runs set status = 'succeeded' where id = '${id}'`);
    await change(`insert into queue_jobs values ('run_x', 0, 'queued', null, 'now')`);
    expect(await rowViolations()).toEqual(['rows: queue_jobs: the row of run_x is extra']);
    await change(`delete from queue_jobs where run_id = 'run_x'`);
    expect(await rowViolations()).toEqual([]);
  });

  it('verifies one run alone', async () => {
    const { id } = await submitAndRest(server, planned([noop('a')]));
    expect(await verify(server.engine.log, file(), id)).toMatchObject({ runs: 1, events: 4, violations: [] });
  });
});

/** A log whose reader finds one run's history changed. */
function spoiled(log: EventLog, change: (history: StoredEvent[]) => StoredEvent[]): EventLog {
  return { ...log, read: async (runId, afterSeq) => change(await log.read(runId, afterSeq)) };
}

const SPOILS: [string, (history: StoredEvent[]) => StoredEvent[], string[]][] = [
  [
    'an event was changed',
    (history) =>
      history.map((each, at) =>
        at === 1 ? { ...each, body: { ...(each.body as Envelope), actor: 'x' } } : each,
      ),
    ['chain-and-replay'],
  ],
  [
    'an event is missing',
    (history) => history.filter((_, at) => at !== 1),
    ['revisions', 'chain-and-replay'],
  ],
  ['it ends twice', (history) => [...history, history.at(-1)!], ['one-end', 'revisions', 'chain-and-replay']],
  [
    'its beginning is missing',
    (history) => history.slice(1),
    ['one-creation', 'revisions', 'chain-and-replay'],
  ],
];

describe('a history', () => {
  it.each(SPOILS)('is found wanting when %s', async (_, change, invariants) => {
    const host = await createHost(createMemoryLog());
    await host.work(fakeDriver());
    const runId = await host.submit([step('a')]);
    await host.ends(runId, 'succeeded');
    expect((await verify(host.log, '/nowhere', runId)).violations).toEqual([]);
    const found = await verify(spoiled(host.log, change), '/nowhere', runId);
    expect(found.violations.map(({ invariant }) => invariant)).toEqual(invariants);
  });
});
