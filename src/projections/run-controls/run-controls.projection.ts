import type { RunEvent } from '#events/catalog.js';
import type { Projection } from '../projection.js';

const CONTROL_STATES: Readonly<Record<string, string>> = {
  'run.pause-requested': 'pausing',
  'run.paused': 'paused',
  'run.resumed': 'resumed',
  'run.cancel-requested': 'cancelling',
  'run.cancelled': 'cancelled',
};

export const runControlsProjection: Projection = {
  name: 'run_controls',
  prepare: (db) => {
    const upsert = db.prepare(
      `insert into run_controls (run_id, state, reason, actor, at) values (?, ?, ?, ?, ?)
       on conflict (run_id) do update set state = excluded.state, at = excluded.at, actor = excluded.actor,
         reason = coalesce(excluded.reason, case when excluded.state in ('paused', 'cancelled') then run_controls.reason end)`,
    );
    const take = db.prepare(
      `insert into run_controls (run_id, state, reason, actor, at, holder, lease, expires_at) values (?, 'taken', ?, ?, ?, ?, ?, ?)
       on conflict (run_id) do update set state = 'taken', reason = excluded.reason, actor = excluded.actor, at = excluded.at,
         holder = excluded.holder, lease = excluded.lease, expires_at = excluded.expires_at`,
    );
    const exhaust = db.prepare(
      `insert into run_controls (run_id, state, actor, at, exhausted) values (?, 'pausing', ?, ?, ?)
       on conflict (run_id) do update set state = 'pausing', actor = excluded.actor, at = excluded.at, exhausted = excluded.exhausted`,
    );
    const raise = db.prepare(
      `update run_controls set exhausted = null
       where run_id = ? and exhausted in (select key from json_each(?) where value is not null)`,
    );
    const renew = db.prepare(`update run_controls set expires_at = ? where run_id = ?`);
    const free = db.prepare(
      `update run_controls set state = ?, actor = ?, at = ?, holder = null, lease = null, expires_at = null where run_id = ?`,
    );
    const control = (runId: string, event: RunEvent): void => {
      if (event.type === 'control.taken') {
        const { reason, holder, lease, expiresAt } = event.data;
        take.run(runId, reason ?? null, event.actor, event.time, holder, lease, expiresAt);
      } else if (event.type === 'control.renewed') {
        renew.run(event.data.expiresAt, runId);
      } else if (event.type === 'control.released') {
        const state = event.data.how === 'handback' ? 'resumed' : 'paused';
        free.run(state, event.actor, event.time, runId);
      }
    };
    return {
      apply: ({ event, envelope }) => {
        if (!event) return;
        const runId = envelope.subject;
        control(runId, event);
        const exhausted = exhaustedBy(event);
        if (exhausted !== undefined) exhaust.run(runId, event.actor, event.time, exhausted);
        if (event.type === 'budget.raised') raise.run(runId, JSON.stringify(event.data.limits));
        const state = CONTROL_STATES[event.type];
        if (state === undefined) return;
        if (state === 'resumed' || state === 'cancelled') free.run(state, event.actor, event.time, runId);
        const reason = 'reason' in event.data ? (event.data.reason ?? null) : null;
        upsert.run(runId, state, reason, event.actor, event.time);
      },
    };
  },
};

/** The limit that an event says is used up: a run with one cannot go on before it is raised. */
function exhaustedBy(event: RunEvent): string | undefined {
  if (event.type === 'budget.exhausted') return event.data.budget;
  return event.type === 'timer.fired' && event.data.timer.startsWith('deadline:')
    ? 'maxDurationMs'
    : undefined;
}
