import { defineEntity, p } from '@mikro-orm/sqlite';

/** The last pause, resume or cancel of a run: who asked, why, and how far it got. */
export const RunControlRow = defineEntity({
  name: 'RunControlRow',
  tableName: 'run_controls',
  properties: {
    runId: p.string().primary(),
    state: p.string(),
    reason: p.text().nullable(),
    actor: p.string(),
    at: p.string(),
    /** The limit that stopped the run, until it is raised. */
    exhausted: p.string().nullable(),
    holder: p.string().nullable(),
    lease: p.string().nullable(),
    expiresAt: p.string().nullable(),
  },
});
