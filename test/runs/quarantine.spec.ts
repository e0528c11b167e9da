import { describe, expect, it } from '@jest/globals';
import type { Envelope } from '#events/envelope.js';
import type { Failure } from '#events/shapes.js';
import type { EventLog, StoredEvent } from '../../src/log/event-log.js';
import { createMemoryLog } from '../../src/log/memory.log.js';
import { seal } from '../../src/log/hash-chain.js';
import { takeFresh } from '../../src/runs/fresh-runs.js';
import { handleCommand } from '../../src/runs/handle-command.js';
import { RunQuarantinedError } from '../../src/runs/run-state.js';
import { createHost, fakeDriver, step, stopHostsAfterEach, untilAborted } from '../support/host.js';
import { queueByHand } from '../support/logs.js';
import { until } from '../support/wait.js';

stopHostsAfterEach();

/** A log that hands out one run's events changed, as a damaged disk would. */
function damaging(
  log: EventLog,
  spoil: (body: Envelope) => unknown,
  runOf: () => string | undefined,
): EventLog {
  const spoiled = (stored: StoredEvent): StoredEvent =>
    (stored.body as Envelope).subject === runOf() &&
    (stored.body as Envelope).type !== 'skyagent.run.quarantined'
      ? { ...stored, body: spoil(stored.body as Envelope) }
      : stored;
  return {
    ...log,
    read: async (runId, afterSeq) => (await log.read(runId, afterSeq)).map(spoiled),
    claimWakeUps: (partition, onWakeUp) =>
      log.claimWakeUps(partition, (wakeUp) => onWakeUp({ ...wakeUp, event: spoiled(wakeUp.event) })),
  };
}

const SPOILS: [string, (body: Envelope) => unknown, RegExp][] = [
  [
    'whose hash does not hold',
    (body) => ({ ...body, actor: 'someone else' }),
    /hash chain is broken at revision 1/,
  ],
  [
    'whose data is not that of its type',
    ({ hash: _, ...body }) => seal({ ...body, data: { nonsense: true } }),
    /the event at sequence \d+ is not valid/,
  ],
];

describe('a run that cannot be replayed', () => {
  it.each(SPOILS)('%s is quarantined with the reason, and all others go on', async (_, spoil, reason) => {
    const memory = createMemoryLog();
    const poisoned: { id?: string } = {};
    const host = await createHost(damaging(memory, spoil, () => poisoned.id));
    const runId = await host.submit([step('a')], {}, 'poisoned');
    poisoned.id = runId;
    // What this process has sealed itself it need not read.
    takeFresh(((await memory.read(runId))[0]!.body as Envelope).hash);
    const others = await Promise.all(Array.from({ length: 20 }, () => host.submit([step('a')])));
    await host.work(fakeDriver());
    for (const other of others) await host.ends(other, 'succeeded');
    const last = await until('it is quarantined', async () =>
      (await memory.read(runId))
        .map(({ body }) => body as Envelope)
        .find(({ stateto }) => stateto === 'quarantined'),
    );
    expect(last.type).toBe('skyagent.run.quarantined');
    const { failure } = last.data as { failure: Failure };
    expect(failure.code).toBe('run-quarantined');
    expect(failure.message).toMatch(reason);
    const tell = handleCommand(host.log, runId, { kind: 'ResumeRun' }, { actor: 'a', causationid: 'b' });
    await expect(tell).rejects.toThrow(RunQuarantinedError);
  });

  it('because a newer version wrote it is left for that version: nothing is written', async () => {
    const memory = createMemoryLog();
    const poisoned: { id?: string } = {};
    const spoil = ({ hash: _, ...body }: Envelope) => seal({ ...body, schemaversion: 9 });
    const host = await createHost(damaging(memory, spoil, () => poisoned.id));
    poisoned.id = await host.submit([step('a')], {}, 'newer');
    await host.work(fakeDriver());
    await until('it is reported', () => host.faults.length > 0);
    expect(String(host.faults[0])).toContain('run.created version 9 is not known');
    expect(await memory.read(poisoned.id)).toHaveLength(1);
  });

  it('is quarantined once, whoever finds it', async () => {
    const memory = createMemoryLog();
    const poisoned: { id?: string } = {};
    const host = await createHost(damaging(memory, SPOILS[0]![1], () => poisoned.id));
    const runId = await host.submit([step('a')], {}, 'twice');
    poisoned.id = runId;
    const [queue, second] = [queueByHand(host.log), queueByHand(host.log)];
    await host.work(fakeDriver(), { log: queue });
    await host.work(fakeDriver(), { log: second });
    const [created] = await host.history(runId);
    const deliveries = [queue.deliver(created!, 2), second.deliver(created!, 3)];
    await until('both are settled', () => deliveries.every(({ settled }) => settled === 'acked'));
    expect(await memory.read(runId)).toHaveLength(2);
  });
});

describe('a run that kills its owners', () => {
  it('is quarantined after twelve recoveries with nothing between, and not before', async () => {
    const host = await createHost();
    const runId = await host.submit([step('a')]);
    const [created] = await host.history(runId);
    const act = fakeDriver({ a: untilAborted });
    for (let death = 1; death <= 13; death++) {
      const queue = queueByHand(host.log);
      await host.work(act, { log: queue });
      queue.deliver(created!, death);
      await until(`owner ${death}`, async () => (await host.told(runId)).length === death + 1);
    }
    const told = await host.told(runId);
    expect(told.slice(2)).toEqual(Array.from({ length: 12 }, () => 'run.recovered'));
    const queue = queueByHand(host.log);
    await host.work(act, { log: queue });
    const last = queue.deliver(created!, 14);
    await until('it is settled', () => last.settled === 'acked');
    expect((await host.told(runId)).at(-1)).toBe('run.quarantined');
  });
});
