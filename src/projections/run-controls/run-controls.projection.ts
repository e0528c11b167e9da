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
    return {
      apply: ({ event, envelope }) => {
        const state = event && CONTROL_STATES[event.type];
        if (!state) return;
        const reason = 'reason' in event.data ? (event.data.reason ?? null) : null;
        upsert.run(envelope.subject, state, reason, event.actor, event.time);
      },
    };
  },
};
