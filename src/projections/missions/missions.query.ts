import type { SqlEntityManager } from '@mikro-orm/sqlite';
import { MissionRow } from './missions.entity.js';

/** The newest first, after `cursor`, which is `<createdAt>~<id>` of the last row of the page before. */
export async function listMissions(em: SqlEntityManager, limit: number, cursor?: string) {
  const [createdAt, id] = cursor?.split('~') ?? [];
  const older =
    createdAt && id ? { $or: [{ createdAt: { $lt: createdAt } }, { createdAt, id: { $lt: id } }] } : {};
  const rows = await em.find(MissionRow, older, {
    orderBy: { createdAt: 'desc', id: 'desc' },
    limit: limit + 1,
  });
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { rows: page, next: rows.length > page.length && last ? `${last.createdAt}~${last.id}` : undefined };
}
