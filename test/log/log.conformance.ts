import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Envelope } from '#events/envelope.js';
import { partitionOf } from '#events/subjects.js';
import { ConflictError, type EventLog, type StoredEvent, type WakeUp } from '../../src/log/event-log.js';
import { envelopeAfter, historyOf } from '../support/envelopes.js';
import { gate, until } from '../support/wait.js';

/** Run ids nobody has used: a log may serve a whole file. */
let runs = 0;
export const newRun = (): string => `run_${process.pid}_${++runs}`;

export async function appendAll(log: EventLog, history: readonly Envelope[]): Promise<number[]> {
  const seqs: number[] = [];
  for (const envelope of history) seqs.push(await log.append(envelope, seqs.at(-1) ?? 0));
  return seqs;
}

const typesOf = (events: readonly StoredEvent[]): string[] =>
  events.map(({ body }) => (body as Envelope).type.replace('skyagent.', ''));
const ofRun = (runId: string) => (stored: StoredEvent) => (stored.body as Envelope).subject === runId;

/** What every event log does, whatever it is made of. */
export function conformsAsEventLog(name: string, open: () => Promise<EventLog>): void {
  describe(`${name} as an event log`, () => {
    let log: EventLog;
    beforeAll(async () => {
      log = await open();
    });
    afterAll(() => log.close());

    describe('a timer', () => {
      const heard: { name: string; runId: string; at: number }[] = [];
      let claimed: { stop(): Promise<void> };
      beforeAll(async () => {
        claimed = await log.claimTimers((due) => {
          heard.push({ name: due.name, runId: due.runId, at: Date.now() });
          due.ack();
          return Promise.resolve();
        });
      });
      afterAll(() => claimed.stop());
      const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString();

      it('is handed over once, when it is due and not before', async () => {
        const runId = newRun();
        const dueAt = inMs(400);
        await log.setTimer({ runId, name: 'timer:a.0:2', dueAt });
        const due = await until('it is due', () => heard.find((each) => each.runId === runId));
        expect(due.name).toBe('timer:a.0:2');
        expect(due.at).toBeGreaterThanOrEqual(Date.parse(dueAt));
        await new Promise((resolve) => setTimeout(resolve, 300));
        expect(heard.filter((each) => each.runId === runId)).toHaveLength(1);
      });

      it('that is past is due at once, and one that is set again has its new time alone', async () => {
        const runId = newRun();
        await log.setTimer({ runId, name: 'past', dueAt: inMs(-60_000) });
        await log.setTimer({ runId, name: 'again', dueAt: inMs(200) });
        const later = inMs(700);
        await log.setTimer({ runId, name: 'again', dueAt: later });
        const of = (name: string) => heard.filter((each) => each.runId === runId && each.name === name);
        await until('both are due', () => of('past').length === 1 && of('again').length === 1);
        expect(of('again')[0]!.at).toBeGreaterThanOrEqual(Date.parse(later));
      });
    });

    describe('append', () => {
      it('answers rising sequences', async () => {
        const runId = newRun();
        const seqs = await appendAll(log, historyOf(runId, 'run.created', 'run.started', 'run.succeeded'));
        expect(seqs).toEqual([...new Set(seqs)].sort((left, right) => left - right));
        expect((await log.read(runId)).map(({ seq }) => seq)).toEqual(seqs);
      });

      it('refuses whoever decided on an older revision', async () => {
        const [created, started] = historyOf(newRun(), 'run.created', 'run.started') as [Envelope, Envelope];
        const seq = await log.append(created, 0);
        await log.append(started, seq);
        const late = envelopeAfter(created, created.subject, 'run.cancelled');
        await expect(log.append(late, seq)).rejects.toMatchObject({
          name: 'ConflictError',
          code: 'log-conflict',
          runId: created.subject,
          afterSeq: seq,
        });
      });

      it('refuses an expectation of an event that does not exist', async () => {
        const runId = newRun();
        const [created] = historyOf(runId, 'run.created') as [Envelope];
        await expect(log.append(created, 4_000_000)).rejects.toThrow(ConflictError);
        expect(await log.read(runId)).toEqual([]);
      });

      it('has exactly one winner in a race of twenty', async () => {
        const runId = newRun();
        const rivals = Array.from({ length: 20 }, (_, rival) =>
          envelopeAfter(undefined, runId, 'run.created', { rival }),
        );
        const results = await Promise.allSettled(rivals.map((rival) => log.append(rival, 0)));
        const losers = results.flatMap((result) =>
          result.status === 'rejected' ? [result.reason as unknown] : [],
        );
        expect(losers).toHaveLength(19);
        expect(losers.every((loser) => loser instanceof ConflictError)).toBe(true);
        expect(await log.read(runId)).toHaveLength(1);
      });

      it('answers the same bytes with the same expectation as its own success', async () => {
        const [created] = historyOf(newRun(), 'run.created') as [Envelope];
        const seq = await log.append(created, 0);
        expect(await log.append(created, 0)).toBe(seq);
        expect(await log.read(created.subject)).toHaveLength(1);
      });

      it('knows its own success after others have gone on', async () => {
        const [created, started] = historyOf(newRun(), 'run.created', 'run.started') as [Envelope, Envelope];
        const [seq] = await appendAll(log, [created, started]);
        expect(await log.append(created, 0)).toBe(seq);
        expect(await log.read(created.subject)).toHaveLength(2);
      });

      it('keeps the expectations of different runs apart', async () => {
        const left = historyOf(newRun(), 'run.created', 'run.started') as [Envelope, Envelope];
        const right = historyOf(newRun(), 'run.created', 'run.started') as [Envelope, Envelope];
        const seqs = await Promise.all([log.append(left[0], 0), log.append(right[0], 0)]);
        await Promise.all([log.append(left[1], seqs[0]), log.append(right[1], seqs[1])]);
        expect(await log.read(left[0].subject)).toHaveLength(2);
      });
    });

    describe('read', () => {
      it('answers the events of one run as they were stored, in order', async () => {
        const [mine, other] = [newRun(), newRun()];
        const history = historyOf(mine, 'run.created', 'run.started', 'run.succeeded');
        const seqs = await appendAll(log, history.slice(0, 1));
        await appendAll(log, historyOf(other, 'run.created', 'run.started'));
        for (const envelope of history.slice(1)) seqs.push(await log.append(envelope, seqs.at(-1)!));
        const events = await log.read(mine);
        expect(events.map(({ body }) => body)).toEqual(history);
        expect(events.map(({ seq }) => seq)).toEqual(seqs);
        expect(new Set(events.map(({ partition }) => partition))).toEqual(
          new Set([partitionOf(mine, log.partitions)]),
        );
      });

      it('answers what came after a sequence', async () => {
        const runId = newRun();
        const seqs = await appendAll(log, historyOf(runId, 'run.created', 'run.started', 'run.succeeded'));
        expect(typesOf(await log.read(runId, seqs[0]))).toEqual(['run.started', 'run.succeeded']);
        expect(await log.read(runId, seqs[2])).toEqual([]);
      });

      it('answers nothing for a run there is not', async () => {
        expect(await log.read(newRun())).toEqual([]);
      });
    });

    describe('follow', () => {
      it('delivers history, then what is written live, in order and without a gap', async () => {
        const runId = newRun();
        const history = historyOf(runId, 'run.created', 'run.started', 'step.succeeded', 'run.succeeded');
        const seqs = await appendAll(log, history.slice(0, 2));
        const seen: StoredEvent[] = [];
        const subscription = await log.follow(
          partitionOf(runId, log.partitions),
          0,
          (batch) => void seen.push(...batch),
        );
        for (const envelope of history.slice(2)) seqs.push(await log.append(envelope, seqs.at(-1)!));
        await until('the last event was delivered', () => seen.some(({ seq }) => seq === seqs.at(-1)));
        await subscription.stop();
        expect(seen.map(({ seq }) => seq)).toEqual(seen.map((_, index) => index + 1));
        expect(seen.filter(ofRun(runId)).map(({ body }) => body)).toEqual(history);
      });

      it('begins after a sequence', async () => {
        const runId = newRun();
        const seqs = await appendAll(log, historyOf(runId, 'run.created', 'run.started'));
        const seen: StoredEvent[] = [];
        const subscription = await log.follow(
          partitionOf(runId, log.partitions),
          seqs[0]!,
          (batch) => void seen.push(...batch),
        );
        await until('the event after it was delivered', () => seen.length > 0);
        await subscription.stop();
        expect(seen[0]).toMatchObject({ seq: seqs[0]! + 1 });
      });

      it('waits for the handler before it hands over the next batch', async () => {
        const runId = newRun();
        const partition = partitionOf(runId, log.partitions);
        const before = (await log.info())[partition]!.lastSeq;
        let [busy, most] = [0, 0];
        const seen: number[] = [];
        const subscription = await log.follow(partition, before, async (batch) => {
          most = Math.max(most, ++busy);
          await new Promise((resolve) => setTimeout(resolve, 5));
          seen.push(...batch.map(({ seq }) => seq));
          busy--;
        });
        const seqs = await appendAll(
          log,
          historyOf(runId, 'run.created', ...Array(30).fill('step.succeeded')),
        );
        await until('all was delivered', () => seen.includes(seqs.at(-1)!));
        await subscription.stop();
        expect(most).toBe(1);
        expect(seen).toEqual(seqs);
      });

      it('loses nothing that is written while it goes idle', async () => {
        const runId = newRun();
        const partition = partitionOf(runId, log.partitions);
        const seen: number[] = [];
        const subscription = await log.follow(partition, (await log.info())[partition]!.lastSeq, (batch) => {
          seen.push(...batch.map(({ seq }) => seq));
        });
        let last: { envelope?: Envelope; seq: number } = { seq: 0 };
        for (let turns = 0; turns < 12; turns++) {
          last = await appendTwo(log, runId, last, turns);
          await until('the second was delivered', () => seen.includes(last.seq));
        }
        await subscription.stop();
        expect(seen).toHaveLength(24);
      });

      it('hands every event to each of two followers', async () => {
        const runId = newRun();
        const partition = partitionOf(runId, log.partitions);
        const before = (await log.info())[partition]!.lastSeq;
        const seen: number[][] = [[], []];
        const subscriptions = await Promise.all(
          seen.map((mine) =>
            log.follow(partition, before, (batch) => void mine.push(...batch.map(({ seq }) => seq))),
          ),
        );
        const seqs = await appendAll(log, historyOf(runId, 'run.created', 'run.started', 'run.succeeded'));
        await until('both have all', () => seen.every((mine) => mine.includes(seqs.at(-1)!)));
        await Promise.all(subscriptions.map((subscription) => subscription.stop()));
        expect(seen).toEqual([seqs, seqs]);
      });

      it('delivers nothing after stop', async () => {
        const runId = newRun();
        const partition = partitionOf(runId, log.partitions);
        const seen: StoredEvent[] = [];
        const subscription = await log.follow(
          partition,
          (await log.info())[partition]!.lastSeq,
          (batch) => void seen.push(...batch),
        );
        await subscription.stop();
        await appendAll(log, historyOf(runId, 'run.created'));
        await new Promise((resolve) => setTimeout(resolve, 20));
        expect(seen).toEqual([]);
      });
    });

    describe('claimWakeUps', () => {
      it('delivers the events that wake a run, and no others', async () => {
        const runId = newRun();
        const claimed: WakeUp[] = [];
        const subscription = await claimOf(log, runId, claimed);
        const types = [
          'run.created',
          'run.started',
          'run.paused',
          'run.resumed',
          'plan.approved',
          'plan.rejected',
        ];
        await appendAll(log, historyOf(runId, ...types, 'step.approved', 'step.rejected', 'run.succeeded'));
        await until('the last wake-up was claimed', () => claimed.length >= 6);
        await subscription.stop();
        expect(typesOf(claimed.map(({ event }) => event))).toEqual([
          'run.created',
          'run.resumed',
          'plan.approved',
          'plan.rejected',
          'step.approved',
          'step.rejected',
        ]);
        expect(claimed.map(({ deliveries }) => deliveries)).toEqual([1, 1, 1, 1, 1, 1]);
      });

      it('delivers a wake-up again when it is given back, until it is settled', async () => {
        const runId = newRun();
        const deliveries: number[] = [];
        const subscription = await log.claimWakeUps(partitionOf(runId, log.partitions), async (wakeUp) => {
          if (!ofRun(runId)(wakeUp.event)) return wakeUp.ack();
          deliveries.push(wakeUp.deliveries);
          if (wakeUp.deliveries < 3) wakeUp.release();
          else wakeUp.ack();
        });
        await appendAll(log, historyOf(runId, 'run.created'));
        await until('it was settled', () => deliveries.length >= 3);
        await subscription.stop();
        expect(deliveries).toEqual([1, 2, 3]);
      });

      it('takes the next wake-up only when the handler returns', async () => {
        const [first, second] = twoRunsOfOnePartition(log);
        const hold = gate();
        const order: string[] = [];
        const subscription = await log.claimWakeUps(partitionOf(first, log.partitions), async (wakeUp) => {
          wakeUp.ack();
          const { subject } = wakeUp.event.body as Envelope;
          if (subject === first) await hold.promise;
          if (subject === first || subject === second) order.push(subject);
        });
        await appendAll(log, historyOf(first, 'run.created'));
        await appendAll(log, historyOf(second, 'run.created'));
        await new Promise((resolve) => setTimeout(resolve, 20));
        expect(order).toEqual([]);
        hold.open();
        await until('both were handled', () => order.length === 2);
        await subscription.stop();
        expect(order).toEqual([first, second]);
      });

      it('keeps a wake-up that nobody was there for', async () => {
        const runId = newRun();
        await appendAll(log, historyOf(runId, 'run.created'));
        const claimed: WakeUp[] = [];
        const subscription = await claimOf(log, runId, claimed);
        await until('it was claimed', () => claimed.length > 0);
        await subscription.stop();
        expect(typesOf(claimed.map(({ event }) => event))).toEqual(['run.created']);
      });
    });

    describe('watchControl', () => {
      it('hints at the runs that others wrote a control event into', async () => {
        const [paused, quiet] = [newRun(), newRun()];
        const hinted: string[] = [];
        const subscription = await log.watchControl((runId) => hinted.push(runId));
        await appendAll(log, historyOf(quiet, 'run.created', 'run.started', 'run.succeeded'));
        await appendAll(
          log,
          historyOf(paused, 'run.created', 'run.started', 'run.pause-requested', 'run.cancel-requested'),
        );
        await until('both hints came', () => hinted.length >= 2);
        await subscription.stop();
        expect(hinted).toEqual([paused, paused]);
      });

      it('is silent after stop', async () => {
        const runId = newRun();
        const hinted: string[] = [];
        const subscription = await log.watchControl((hint) => hinted.push(hint));
        await subscription.stop();
        await appendAll(log, historyOf(runId, 'run.created', 'run.pause-requested'));
        expect(hinted).toEqual([]);
      });
    });

    it('tells where each partition begins and ends', async () => {
      const runId = newRun();
      const seqs = await appendAll(log, historyOf(runId, 'run.created', 'run.started'));
      const info = await log.info();
      expect(info.map(({ partition }) => partition)).toEqual(
        Array.from({ length: log.partitions }, (_, index) => index),
      );
      expect(info[partitionOf(runId, log.partitions)]).toMatchObject({
        firstSeq: 1,
        lastSeq: seqs[1],
        lost: 0,
      });
    });
  });
}

/** Settles every wake-up and keeps those of one run. */
const claimOf = (log: EventLog, runId: string, claimed: WakeUp[]) =>
  log.claimWakeUps(partitionOf(runId, log.partitions), async (wakeUp) => {
    wakeUp.ack();
    if (ofRun(runId)(wakeUp.event)) claimed.push(wakeUp);
  });

function twoRunsOfOnePartition(log: EventLog): [string, string] {
  const first = newRun();
  for (;;) {
    const second = newRun();
    if (partitionOf(second, log.partitions) === partitionOf(first, log.partitions)) return [first, second];
  }
}

/** Appends two events, the second some microtasks after the first. */
async function appendTwo(
  log: EventLog,
  runId: string,
  last: { envelope?: Envelope; seq: number },
  turns: number,
) {
  const first = envelopeAfter(last.envelope, runId, 'step.succeeded');
  const second = envelopeAfter(first, runId, 'step.succeeded');
  const seq = await log.append(first, last.seq);
  for (let turn = 0; turn < turns; turn++) await Promise.resolve();
  return { envelope: second, seq: await log.append(second, seq) };
}
