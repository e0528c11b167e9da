import { describe, expect, it } from '@jest/globals';
import { scheduleSchema, type Schedule } from '#events/mission.js';
import { nextStart, scheduleIssues } from '../../src/mission/schedule.js';

const NOW = new Date('2026-03-28T12:00:00.000Z');
const schedule = (given: object): Schedule => scheduleSchema.parse(given);

describe('a schedule', () => {
  it('is one time, with its offset', () => {
    const once = schedule({ at: '2026-04-01T09:00:00+02:00' });
    expect(nextStart(once, NOW)).toBe('2026-04-01T07:00:00.000Z');
  });

  it('is a cron expression in a time zone, over a change of the clock too', () => {
    const daily = schedule({ cron: '0 9 * * *', timezone: 'Europe/Berlin' });
    expect(nextStart(daily, NOW)).toBe('2026-03-29T07:00:00.000Z');
    expect(nextStart(daily, new Date('2026-03-27T12:00:00.000Z'))).toBe('2026-03-28T08:00:00.000Z');
  });

  it('is read in UTC when it names no time zone, and strictly after the time that is asked about', () => {
    const daily = schedule({ cron: '0 9 * * *' });
    expect(nextStart(daily, new Date('2026-03-28T09:00:00.000Z'))).toBe('2026-03-29T09:00:00.000Z');
  });

  it.each([
    [{ cron: '61 * * * *' }, '/schedule/cron', /not a cron expression/],
    [{ cron: 'every day at nine' }, '/schedule/cron', /not a cron expression/],
    [{ cron: '* * * * * *' }, '/schedule/cron', /more often than once a minute/],
    [{ cron: '0 0 30 2 *' }, '/schedule/cron', /never comes/],
    [{ cron: '0 9 * * *', timezone: 'Mars/Olympus' }, '/schedule/timezone', /no time zone "Mars/],
  ])('%j is refused in words', (given, pointer, message) => {
    const [issue] = scheduleIssues(schedule(given), NOW);
    expect(issue?.pointer).toBe(pointer);
    expect(issue?.message).toMatch(message);
  });

  it.each([
    [{}],
    [{ at: 'tomorrow' }],
    [{ at: '2026-04-01T09:00:00Z', cron: '0 9 * * *' }],
    [{ at: '2026-04-01T09:00:00Z', timezone: 'UTC' }],
    [{ cron: '0 9 * * *', missed: 'maybe' }],
  ])('%j is none', (given) => {
    expect(scheduleSchema.safeParse(given).success).toBe(false);
  });
});
