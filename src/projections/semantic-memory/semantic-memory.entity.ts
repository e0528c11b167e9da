import { defineEntity, p } from '@mikro-orm/sqlite';

/** Facts that outlive the run they were learned in. */
export const SemanticMemoryRow = defineEntity({
  name: 'SemanticMemoryRow',
  tableName: 'semantic_memory',
  properties: {
    id: p.string().primary(),
    subject: p.string(),
    fact: p.text(),
    source: p.string(),
    createdAt: p.string(),
  },
});
