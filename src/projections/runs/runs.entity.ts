import { defineEntity, p } from '@mikro-orm/sqlite';
import type { Failure } from '#events/shapes.js';

/** Where each run stands, as of its last folded event. */
export const RunRow = defineEntity({
  name: 'RunRow',
  tableName: 'runs',
  properties: {
    id: p.string().primary(),
    missionId: p.string(),
    title: p.text(),
    template: p.string().nullable(),
    status: p.string(),
    rev: p.integer(),
    seq: p.bigint('number'),
    partitionNo: p.integer(),
    machine: p.string(),
    dryRun: p.boolean(),
    worker: p.string().nullable(),
    epoch: p.integer().default(0),
    stepsTotal: p.integer().default(0),
    stepsFinished: p.integer().default(0),
    parentRunId: p.string().nullable(),
    parentRev: p.integer().nullable(),
    failure: p.json<Failure>().nullable(),
    startAt: p.string().nullable(),
    createdAt: p.string(),
    startedAt: p.string().nullable(),
    finishedAt: p.string().nullable(),
    updatedAt: p.string(),
  },
  indexes: [
    { properties: ['status', 'createdAt'] },
    { properties: ['createdAt', 'id'] },
    { properties: ['missionId'] },
  ],
});
