import type { SqlEntityManager } from '@mikro-orm/sqlite';
import { QueueJobRow } from './queue-jobs.entity.js';

const MOST_JOBS = 500;

/** How many runs wait and how many have an owner, and the oldest of them. */
export async function queueOverview(em: SqlEntityManager) {
  const [queued, owned, jobs] = await Promise.all([
    em.count(QueueJobRow, { state: 'queued' }),
    em.count(QueueJobRow, { state: 'owned' }),
    em.find(QueueJobRow, {}, { orderBy: { since: 'asc' }, limit: MOST_JOBS }),
  ]);
  return { queued, owned, jobs };
}
