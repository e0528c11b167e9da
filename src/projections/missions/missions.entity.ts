import { defineEntity, p } from '@mikro-orm/sqlite';

/** What was asked for. One row a mission, whatever number of runs it took. */
export const MissionRow = defineEntity({
  name: 'MissionRow',
  tableName: 'missions',
  properties: {
    id: p.string().primary(),
    objective: p.text().nullable(),
    template: p.string().nullable(),
    inputs: p.json<Record<string, unknown>>(),
    metadata: p.json<Record<string, unknown>>(),
    limits: p.json<Record<string, unknown>>(),
    dryRun: p.boolean(),
    runId: p.string(),
    createdAt: p.string(),
  },
  indexes: [{ properties: ['createdAt'] }],
});
