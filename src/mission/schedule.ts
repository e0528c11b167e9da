import { Cron } from 'croner';
import type { Schedule } from '#events/mission.js';
import type { Issue } from './issues.js';

/** Every minute is the most often that a schedule may fire. */
const MIN_INTERVAL_MS = 60_000;

/** Why a schedule cannot be kept, or nothing. */
export function scheduleIssues({ cron, timezone }: Schedule, now: Date): Issue[] {
  if (timezone !== undefined && !isTimezone(timezone))
    return [{ pointer: '/schedule/timezone', message: `there is no time zone ${JSON.stringify(timezone)}` }];
  if (cron === undefined) return [];
  try {
    const [first, second] = job(cron, timezone).nextRuns(2, now);
    if (!first) return [{ pointer: '/schedule/cron', message: 'never comes' }];
    if (second && second.getTime() - first.getTime() < MIN_INTERVAL_MS)
      return [{ pointer: '/schedule/cron', message: 'fires more often than once a minute' }];
    return [];
  } catch (error) {
    const message = `is not a cron expression (minute hour day month weekday): ${(error as Error).message}`;
    return [{ pointer: '/schedule/cron', message }];
  }
}

/** When a schedule fires next, strictly after a time; nothing, when it is over. RFC 3339. */
export function nextStart(schedule: Schedule, after: Date): string | undefined {
  if (schedule.at !== undefined) return new Date(schedule.at).toISOString();
  return job(schedule.cron!, schedule.timezone).nextRun(after)?.toISOString();
}

/** A cron expression is read in its time zone; without one, in UTC, so that a machine's setting changes nothing. */
const job = (cron: string, timezone = 'UTC'): Cron => new Cron(cron, { timezone, paused: true });

function isTimezone(name: string): boolean {
  try {
    return Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
