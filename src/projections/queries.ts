import { artifactsOfRun } from './artifacts/artifacts.query.js';
import { queueOverview } from './queue-jobs/queue-jobs.query.js';
import { listMissions } from './missions/missions.query.js';
import { listRuns, prepareRunView, type RunFilter } from './runs/runs.query.js';
import { prepareExpiredControls } from './run-controls/run-controls.query.js';
import { stepsOfRun } from './steps/steps.query.js';
import type { Database } from './database.js';

/** What the gateway may ask of the read models. */
export const createQueries = (database: Database) => ({
  expiredControls: prepareExpiredControls(database.db),
  runView: prepareRunView(database.db),
  listRuns: (filter: RunFilter) => listRuns(database.em(), filter),
  stepsOfRun: (runId: string) => stepsOfRun(database.em(), runId),
  artifactsOfRun: (runId: string) => artifactsOfRun(database.em(), runId),
  listMissions: (limit: number, cursor?: string) => listMissions(database.em(), limit, cursor),
  queueOverview: () => queueOverview(database.em()),
});
export type Queries = ReturnType<typeof createQueries>;
