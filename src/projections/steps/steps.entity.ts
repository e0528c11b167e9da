import { defineEntity, p } from '@mikro-orm/sqlite';
import type { Evidence, Failure, Output } from '#events/shapes.js';

/** Where each step of a run stands. `position` is its place in the plan; children of `forEach` come after. */
export const StepRow = defineEntity({
  name: 'StepRow',
  tableName: 'steps',
  properties: {
    runId: p.string().primary(),
    id: p.string().primary(),
    position: p.integer(),
    parent: p.string().nullable(),
    title: p.text(),
    does: p.string(),
    state: p.string(),
    attempt: p.integer(),
    /** What a person was asked about: its digest is the argument hash. */
    asked: p.json<Output>().nullable(),
    runtime: p.string().nullable(),
    runtimeReason: p.string().nullable(),
    output: p.json<Output>().nullable(),
    failure: p.json<Failure>().nullable(),
    evidence: p.json<Evidence[]>().nullable(),
    durationMs: p.double().nullable(),
    startedAt: p.string().nullable(),
    finishedAt: p.string().nullable(),
  },
});
