import { json, type Projection } from '../projection.js';

export const missionsProjection: Projection = {
  name: 'missions',
  prepare: (db) => {
    const insert = db.prepare(
      `insert or ignore into missions (id, objective, template, inputs, metadata, limits, dry_run, run_id, created_at)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    return {
      apply: ({ event, envelope }) => {
        // A retry or a fork belongs to the mission of its parent, which may be in a partition that is folded later.
        if (event?.type !== 'run.created' || event.data.parent) return;
        const { mission, dryRun } = event.data;
        insert.run(
          mission.id,
          mission.objective ?? null,
          mission.template ?? null,
          json(mission.inputs),
          json(mission.metadata),
          json(mission.limits),
          dryRun ? 1 : 0,
          envelope.subject,
          event.time,
        );
      },
    };
  },
};
