import type { Db } from '../projection.js';

/** Leases whose time is over and of which the log does not say so yet. */
export function prepareExpiredControls(db: Db): (now: string) => { runId: string; lease: string }[] {
  const expired = db.prepare(
    `select run_id as runId, lease from run_controls where lease is not null and expires_at <= ? limit 100`,
  );
  return (now) => expired.all(now) as { runId: string; lease: string }[];
}
