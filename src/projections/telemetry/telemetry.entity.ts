import { defineEntity, p } from '@mikro-orm/sqlite';

/** One row an event, append-only: what happened when, and how long it took. */
export const TelemetryRow = defineEntity({
  name: 'TelemetryRow',
  tableName: 'telemetry',
  properties: {
    id: p.integer().primary().autoincrement(),
    runId: p.string(),
    rev: p.integer(),
    seq: p.bigint('number'),
    type: p.string(),
    at: p.string(),
    actor: p.string(),
    statefrom: p.string(),
    stateto: p.string(),
    stepId: p.string().nullable(),
    attempt: p.integer().nullable(),
    durationMs: p.double().nullable(),
  },
  indexes: [{ properties: ['runId', 'rev'] }],
});
