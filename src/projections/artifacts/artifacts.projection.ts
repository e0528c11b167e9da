import type { Projection } from '../projection.js';

export const artifactsProjection: Projection = {
  name: 'artifacts',
  prepare: (db) => {
    const insert = db.prepare(
      `insert or replace into artifacts (run_id, path, step_id, type, media_type, digest, bytes, created_at)
       values (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    return {
      apply: ({ event, envelope }) => {
        if (!event || !('artifacts' in event.data) || !event.data.artifacts) return;
        // What a person did at the controls belongs to no step of the plan.
        const stepId = 'stepId' in event.data ? event.data.stepId : 'takeover';
        for (const { path, type, mediaType, digest, bytes } of event.data.artifacts) {
          insert.run(envelope.subject, path, stepId, type, mediaType, digest, bytes, event.time);
        }
      },
    };
  },
};
