import { defineEntity, p } from '@mikro-orm/sqlite';

/** Files that steps left in a run's folder, by SHA-256. */
export const ArtifactRow = defineEntity({
  name: 'ArtifactRow',
  tableName: 'artifacts',
  properties: {
    runId: p.string().primary(),
    path: p.string().primary(),
    stepId: p.string(),
    type: p.string(),
    mediaType: p.string(),
    digest: p.string(),
    bytes: p.bigint('number'),
    createdAt: p.string(),
  },
});
