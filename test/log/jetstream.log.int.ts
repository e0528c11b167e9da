import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { Envelope } from '#events/envelope.js';
import { LogRefusedError, LogUnavailableError, type EventLog } from '../../src/log/event-log.js';
import { guarded, logProblems } from '../../src/log/guards.js';
import { openJetStreamLog, type JetStreamLog, type JetStreamSettings } from '../../src/log/jetstream.log.js';
import { natsPidOf, settingsFor, startTestServer, type TestServer } from '../support/embedded.js';
import { envelopeAfter, historyOf } from '../support/envelopes.js';
import { until } from '../support/wait.js';
import { appendAll, conformsAsEventLog, newRun } from './log.conformance.js';

let test: TestServer;
beforeAll(async () => {
  test = await startTestServer();
});
afterAll(() => test.stop());

async function withLog<T>(
  settings: Partial<JetStreamSettings>,
  work: (log: JetStreamLog) => Promise<T>,
): Promise<T> {
  const log = await test.openLog(settings);
  try {
    return await work(log);
  } finally {
    await log.close();
  }
}

async function withManager<T>(
  work: (manager: JetStreamManager, connection: NatsConnection) => Promise<T>,
): Promise<T> {
  const connection = await connect({ servers: test.server.url, token: test.server.token });
  try {
    return await work(await jetstreamManager(connection), connection);
  } finally {
    await connection.close();
  }
}

/** While `work` runs, nats-server stands still for `ms`: it answers nobody, and loses nothing. */
async function whileServerStandsStill<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const pid = await natsPidOf(test.server.pid);
  process.kill(pid, 'SIGSTOP');
  const timer = setTimeout(() => process.kill(pid, 'SIGCONT'), ms);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
    process.kill(pid, 'SIGCONT');
  }
}

conformsAsEventLog('the log on JetStream', () => test.openLog());

describe('the streams of a deployment', () => {
  it('keep the number of partitions they were made with', async () => {
    await withLog({ partitions: 2 }, async (log) => expect(log.partitions).toBe(2));
    await withLog({ partitions: 5 }, async (log) => expect(log.partitions).toBe(2));
  });

  it('let nobody delete or purge, refuse what is too much, and live in files', async () => {
    const configs = await withManager((manager) =>
      Promise.all(
        [0, 1].map(async (partition) => (await manager.streams.info(`SKYAGENT_RUNS_${partition}`)).config),
      ),
    );
    for (const [partition, config] of configs.entries()) {
      expect(config).toMatchObject({
        subjects: [`skyagent.runs.${partition}.>`],
        storage: 'file',
        retention: 'limits',
        discard: 'new',
        deny_delete: true,
        deny_purge: true,
        max_bytes: 536_870_912,
        num_replicas: 1,
        metadata: { 'skyagent-partitions': '2' },
      });
    }
  });

  it('refuse a purge that is asked for', async () => {
    await expect(withManager((manager) => manager.streams.purge('SKYAGENT_RUNS_0'))).rejects.toThrow(/purge/);
  });

  it('store CloudEvents, one message an event, under the subject of the run', async () => {
    const [created] = historyOf(newRun(), 'run.created') as [Envelope];
    const message = await withLog({}, async (log) => {
      const seq = await log.append(created, 0);
      const [stored] = await log.read(created.subject);
      return withManager((manager) =>
        manager.streams.getMessage(`SKYAGENT_RUNS_${stored!.partition}`, { seq }),
      );
    });
    expect(message!.subject).toMatch(
      new RegExp(`^skyagent\\.runs\\.[01]\\.${created.subject}\\.run\\.created$`),
    );
    expect(message!.header.get('Content-Type')).toBe('application/cloudevents+json');
    expect(message!.json()).toEqual(created);
  });

  it('give a run to another owner after the lease that is set now', async () => {
    const leaseOf = async () => {
      const info = await withManager((manager) => manager.consumers.info('SKYAGENT_RUNS_1', 'wake-ups'));
      return info.config.ack_wait;
    };
    await withLog({ ackWaitMs: 7_000 }, async () => expect(await leaseOf()).toBe(7_000_000_000));
    await withLog({ ackWaitMs: 1_000 }, async () => expect(await leaseOf()).toBe(1_000_000_000));
  });

  it('deliver a wake-up again when its owner says nothing for the lease', async () => {
    await withLog({ ackWaitMs: 1_000 }, async (log) => {
      const runId = newRun();
      const [created] = historyOf(runId, 'run.created') as [Envelope];
      await log.append(created, 0);
      const deliveries = await deliveriesOf(log, runId, 2);
      expect(deliveries).toEqual([1, 2]);
    });
  });
});

/** How often a run's wake-up was delivered to somebody who settles it only at the last. */
async function deliveriesOf(log: EventLog, runId: string, last: number): Promise<number[]> {
  const seen: number[] = [];
  const { partition } = (await log.read(runId))[0]!;
  const subscription = await log.claimWakeUps(partition, async (wakeUp) => {
    if ((wakeUp.event.body as Envelope).subject !== runId) return wakeUp.ack();
    seen.push(wakeUp.deliveries);
    if (wakeUp.deliveries >= last) wakeUp.ack();
  });
  await until(`delivery ${last}`, () => seen.length >= last);
  await subscription.stop();
  return seen;
}

describe('an append', () => {
  it('that is not answered in time is sent again, and stored once', async () => {
    await withLog({ appendTimeoutMs: 200, appendRetries: 100 }, async (log) => {
      const [created, started] = historyOf(newRun(), 'run.created', 'run.started') as [Envelope, Envelope];
      const seq = await log.append(created, 0);
      const second = await whileServerStandsStill(900, () => log.append(started, seq));
      expect((await log.read(created.subject)).map((stored) => stored.seq)).toEqual([seq, second]);
    });
  });

  it('that is never answered says that the log cannot be reached', async () => {
    await withLog({ appendTimeoutMs: 100, appendRetries: 1 }, async (log) => {
      const [created] = historyOf(newRun(), 'run.created') as [Envelope];
      const outcome = whileServerStandsStill(2_000, () => log.append(created, 0));
      await expect(outcome).rejects.toThrow(LogUnavailableError);
      const seq = await until(
        'the first bytes arrived',
        async () => (await log.read(created.subject))[0]?.seq,
      );
      expect(await log.append(created, 0)).toBe(seq);
    });
  });

  it('that is too large is refused for good', async () => {
    await withLog({}, async (log) => {
      const large = envelopeAfter(undefined, newRun(), 'run.created', { text: 'x'.repeat(1_100_000) });
      const refused = log.append(large, 0);
      await expect(refused).rejects.toThrow(LogRefusedError);
      await expect(refused).rejects.toMatchObject({ code: 'log-refused' });
      expect(await log.read(large.subject)).toEqual([]);
    });
  });

  it('is refused for good when the partition is full, and what it holds stays', async () => {
    const full = await startTestServer();
    const log = await full.openLog({ partitions: 1, maxBytes: 100_000 });
    const runId = newRun();
    const [created] = historyOf(runId, 'run.created') as [Envelope];
    const seq = await log.append(created, 0);
    const large = envelopeAfter(created, runId, 'run.started', { text: 'x'.repeat(120_000) });
    await expect(log.append(large, seq)).rejects.toThrow(LogRefusedError);
    expect(await log.read(runId)).toHaveLength(1);
    await log.close();
    await full.stop();
  });
});

describe('a nats-server that dies and comes back', () => {
  it('holds up neither an append nor who follows the log for longer than it takes to notice', async () => {
    await withLog({ appendTimeoutMs: 30_000 }, async (log) => {
      const run = newRun();
      const history = historyOf(run, 'run.created', 'run.started') as [Envelope, Envelope];
      const followed: unknown[] = [];
      const follows = await Promise.all(
        Array.from({ length: log.partitions }, (_, partition) =>
          log.follow(partition, 0, (batch) => void followed.push(...batch.map(({ body }) => body))),
        ),
      );
      process.kill(await natsPidOf(test.server.pid), 'SIGKILL');
      const startedAt = performance.now();
      const seq = await log.append(history[0], 0);
      await log.append(history[1], seq);
      await until('the follower has both', () => followed.filter((body) => isOf(run, body)).length === 2);
      expect(performance.now() - startedAt).toBeLessThan(10_000);
      for (const follow of follows) await follow.stop();
    });
  });

  const isOf = (runId: string, body: unknown) => (body as Envelope).subject === runId;
});

describe('a long history', () => {
  it('is read whole, over more than one page', async () => {
    await withLog({}, async (log) => {
      const history = historyOf(newRun(), 'run.created', ...Array(2_000).fill('step.succeeded'));
      await appendAll(log, history);
      const events = await log.read(history[0]!.subject);
      expect(events.map(({ body }) => (body as Envelope).rev)).toEqual(history.map(({ rev }) => rev));
    });
  });

  it('is read whole when one page is more than the server sends at once', async () => {
    await withLog({}, async (log) => {
      const runId = newRun();
      let [seq, previous]: [number, Envelope | undefined] = [0, undefined];
      for (let rev = 1; rev <= 80; rev++) {
        previous = envelopeAfter(previous, runId, 'step.succeeded', { text: 'x'.repeat(950_000) });
        seq = await log.append(previous, seq);
      }
      expect(await log.read(runId)).toHaveLength(80);
    });
  });
});

describe('a server that cannot be used', () => {
  it('is named when it cannot be reached', async () => {
    const settings = { ...settingsFor(test.server), url: 'nats://127.0.0.1:1' };
    await expect(openJetStreamLog(settings)).rejects.toMatchObject({
      code: 'log-unavailable',
      message: 'cannot reach NATS at nats://127.0.0.1:1',
    });
  });

  it('does not let somebody in who has another token', async () => {
    const settings = { ...settingsFor(test.server), token: 'guessed' };
    await expect(openJetStreamLog(settings)).rejects.toThrow(LogUnavailableError);
  });
});

describe('the guards', () => {
  it('find nothing wrong with the embedded server', async () => {
    await withLog({}, async (log) => {
      expect(await logProblems(log, { embedded: true, durability: 'strict' })).toEqual([]);
    });
  });

  it('find one replica too few on a server of others, unless a person vouches for it', async () => {
    await withLog({}, async (log) => {
      expect(await logProblems(log, { embedded: false, durability: 'strict' })).toEqual([
        'the streams have 1 replica(s) and fsync on every write is not certain: use 3 replicas, or set SKYAGENT_DURABILITY',
      ]);
      expect(await logProblems(log, { embedded: false, durability: 'sync-always' })).toEqual([]);
    });
  });

  it('find an old server, and messages that were lost', async () => {
    await withLog({}, async (log) => {
      const info = async () => [{ partition: 1, firstSeq: 1, lastSeq: 9, lost: 2 }];
      const damaged = { ...log, serverVersion: '2.11.9', info };
      expect(await logProblems(damaged, { embedded: true, durability: 'strict' })).toEqual([
        'nats-server 2.11.9 is too old: 2.12.0 or newer is needed',
        'partition 1 has lost 2 message(s)',
      ]);
    });
  });

  it('make the log read-only, and say why', async () => {
    await withLog({}, async (log) => {
      const [created] = historyOf(newRun(), 'run.created') as [Envelope];
      await log.append(created, 0);
      const readOnly = guarded(log, () => ['it is damaged']);
      await expect(readOnly.append(created, 0)).rejects.toMatchObject({
        code: 'log-read-only',
        message: 'the log is read-only: it is damaged',
      });
      expect(await readOnly.read(created.subject)).toHaveLength(1);
    });
  });
});
