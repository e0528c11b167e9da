import { defineEntity, p } from '@mikro-orm/sqlite';

/** Runs that have an owner or wait for one. A resting run has no row. */
export const QueueJobRow = defineEntity({
  name: 'QueueJobRow',
  tableName: 'queue_jobs',
  properties: {
    runId: p.string().primary(),
    partitionNo: p.integer(),
    state: p.string(),
    worker: p.string().nullable(),
    since: p.string(),
  },
  indexes: [{ properties: ['state', 'since'] }],
});
