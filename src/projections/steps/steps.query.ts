import type { SqlEntityManager } from '@mikro-orm/sqlite';
import { StepRow } from './steps.entity.js';

/** The steps of a run in the order of the plan; children of `forEach` after it. */
export const stepsOfRun = (em: SqlEntityManager, runId: string) =>
  em.find(StepRow, { runId }, { orderBy: { position: 'asc' } });
