import { defineEntity, p } from '@mikro-orm/sqlite';

/** What happened in earlier runs, as later missions may recall it. */
export const EpisodicMemoryRow = defineEntity({
  name: 'EpisodicMemoryRow',
  tableName: 'episodic_memory',
  properties: {
    id: p.string().primary(),
    runId: p.string(),
    summary: p.text(),
    outcome: p.string(),
    createdAt: p.string(),
  },
});
