import type { SqlEntityManager } from '@mikro-orm/sqlite';
import { ArtifactRow } from './artifacts.entity.js';

export const artifactsOfRun = (em: SqlEntityManager, runId: string) =>
  em.find(ArtifactRow, { runId }, { orderBy: { path: 'asc' } });
