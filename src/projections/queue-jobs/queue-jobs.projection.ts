import { isRestingStatus } from '#machines/run/run.commands.js';
import type { Projection } from '../projection.js';

export const queueJobsProjection: Projection = {
  name: 'queue_jobs',
  prepare: (db) => {
    const insert = db.prepare(
      `insert or replace into queue_jobs (run_id, partition_no, state, worker, since) values (?, ?, 'queued', null, ?)`,
    );
    const own = db.prepare(
      `insert or replace into queue_jobs (run_id, partition_no, state, worker, since) values (?, ?, 'owned', ?, ?)`,
    );
    const remove = db.prepare(`delete from queue_jobs where run_id = ?`);
    return {
      apply: ({ event, envelope, partition }) => {
        const runId = envelope.subject;
        if (event?.type === 'run.started' || event?.type === 'run.recovered') {
          own.run(runId, partition, event.data.worker, event.time);
        } else if (isRestingStatus(envelope.stateto)) {
          remove.run(runId);
        } else if (envelope.statefrom === 'none' || isRestingStatus(envelope.statefrom)) {
          insert.run(runId, partition, envelope.time);
        }
      },
    };
  },
};
