import type { Projection } from '../projection.js';

interface Measured {
  readonly stepId?: string;
  readonly attempt?: number;
  readonly durationMs?: number;
}

export const telemetryProjection: Projection = {
  name: 'telemetry',
  prepare: (db) => {
    const insert = db.prepare(
      `insert into telemetry (run_id, rev, seq, type, at, actor, statefrom, stateto, step_id, attempt, duration_ms)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    return {
      apply: ({ envelope, seq }) => {
        const { stepId, attempt, durationMs } = envelope.data as Measured;
        const { subject, rev, type, time, actor, statefrom, stateto } = envelope;
        insert.run(
          subject,
          rev,
          seq,
          type,
          time,
          actor,
          statefrom,
          stateto,
          stepId ?? null,
          attempt ?? null,
          durationMs ?? null,
        );
      },
    };
  },
};
