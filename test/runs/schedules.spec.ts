import { describe, expect, it } from '@jest/globals';
import type { Envelope } from '#events/envelope.js';
import type { EventLog } from '../../src/log/event-log.js';
import { createHost, fakeDriver, step, stopHostsAfterEach } from '../support/host.js';
import { timersByHand } from '../support/logs.js';
import { until } from '../support/wait.js';

stopHostsAfterEach();

const SOON = () => new Date(Date.now() + 3_600_000).toISOString();
const runsIn = async (log: EventLog): Promise<string[]> => {
  const found = new Set<string>();
  const following = await log.follow(0, 0, (batch) => {
    for (const { body } of batch) found.add((body as Envelope).subject);
  });
  await following.stop();
  return [...found];
};

describe('a mission with a time', () => {
  it('is queued without an owner until then, and runs once', async () => {
    const { log, timers, ring } = timersByHand();
    const host = await createHost(log);
    const driver = fakeDriver();
    const worker = await host.work(driver);
    const at = SOON();
    const runId = await host.submit([step('a')], { schedule: { at } });
    await until('its timer is set', () => timers.length === 1 && worker.owned === 0);
    expect(timers[0]).toEqual({ runId, name: 'start', dueAt: at });
    expect(await host.told(runId)).toEqual(['run.created']);
    await ring('start');
    await host.ends(runId, 'succeeded');
    await ring('start');
    expect(driver.times('a')).toBe(1);
    expect(await runsIn(log)).toEqual([runId]);
  });

  it('may be cancelled before, and is not run then', async () => {
    const { log, timers, ring } = timersByHand();
    const host = await createHost(log);
    const driver = fakeDriver();
    await host.work(driver);
    const runId = await host.submit([step('a')], { schedule: { at: SOON() } });
    await until('its timer is set', () => timers.length === 1);
    await host.tell(runId, { kind: 'CancelRun' });
    await ring('start');
    expect(await host.told(runId)).toEqual(['run.created', 'run.cancelled']);
  });

  it('that was paused before runs when it is resumed, if its time has come', async () => {
    const { log, timers, ring } = timersByHand();
    const host = await createHost(log);
    await host.work(fakeDriver());
    const runId = await host.submit([step('a')], { schedule: { at: SOON() } });
    await until('its timer is set', () => timers.length === 1);
    await host.tell(runId, { kind: 'PauseRun' });
    await ring('start');
    expect((await host.told(runId)).at(-1)).toBe('run.paused');
    await host.tell(runId, { kind: 'ResumeRun' });
    await until('its timer is set again', () => timers.length === 2);
    await ring('start');
    await host.ends(runId, 'succeeded');
  });
});

describe('a mission that comes again and again', () => {
  const nightly = { schedule: { cron: '0 3 * * *', timezone: 'Europe/Berlin' } };

  it('brings its next run with each start, once, however often the timer rings', async () => {
    const { log, timers, ring } = timersByHand();
    const host = await createHost(log);
    const driver = fakeDriver();
    await host.work(driver);
    const first = await host.submit([step('a')], nightly);
    await until('its timer is set', () => timers.length === 1);
    await ring('start');
    await host.ends(first, 'succeeded');
    await ring('start');
    await until('the next waits', () => timers.length === 2);
    const runs = await runsIn(log);
    expect(runs).toHaveLength(2);
    const next = timers[1]!.runId;
    const [created] = await host.history(next);
    const { data } = created!.body as { data: { parent: object; mission: { id: string }; startAt: string } };
    expect(data.parent).toEqual({ runId: first, rev: 1 });
    expect(Date.parse(data.startAt)).toBeGreaterThan(Date.now());
    expect(data.mission.id).toBe((await host.state(first)).snapshot.context.mission.id);
    expect(driver.times('a')).toBe(1);
  });

  it('ends when its waiting run is cancelled', async () => {
    const { log, timers, ring } = timersByHand();
    const host = await createHost(log);
    await host.work(fakeDriver());
    const first = await host.submit([step('a')], nightly);
    await until('its timer is set', () => timers.length === 1);
    await host.tell(first, { kind: 'CancelRun' });
    await ring('start');
    expect(await runsIn(log)).toEqual([first]);
  });
});

describe('a start that was missed', () => {
  const LONG_AGO = '2026-01-01T00:00:00.000Z';

  it('is made good, once', async () => {
    const { log, timers, ring } = timersByHand();
    const host = await createHost(log);
    await host.work(fakeDriver());
    const runId = await host.submit([step('a')], { schedule: { at: LONG_AGO } });
    await until('its timer is set', () => timers.length === 1);
    await ring('start');
    const state = await host.ends(runId, 'succeeded');
    expect(state.snapshot.context.startAt).toBeNull();
  });

  it('is left out when the mission says so', async () => {
    const { log, timers, ring } = timersByHand();
    const host = await createHost(log);
    const driver = fakeDriver();
    await host.work(driver);
    const runId = await host.submit([step('a')], { schedule: { at: LONG_AGO, missed: 'skip' } });
    await until('its timer is set', () => timers.length === 1);
    await ring('start');
    const state = await host.ends(runId, 'cancelled');
    expect(state.snapshot.context.reason).toBe(`its start at ${LONG_AGO} was missed`);
    expect(driver.asked).toEqual([]);
  });
});
