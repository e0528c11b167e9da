import { raw, type InferEntity, type SqlEntityManager } from '@mikro-orm/sqlite';
import type { Failure } from '#events/shapes.js';
import type { Db } from '../projection.js';
import { RunRow } from './runs.entity.js';

export interface RunFilter {
  readonly status?: readonly string[] | undefined;
  readonly template?: string | undefined;
  /** Words in the title. */
  readonly q?: string | undefined;
  readonly limit: number;
  /** `<createdAt>~<id>` of the last row of the page before. */
  readonly cursor?: string | undefined;
}

export type RunFacts = InferEntity<typeof RunRow>;

/** One run with its steps in short: what is asked most often, so its statements are prepared once. */
export interface RunView {
  readonly run: RunFacts;
  readonly steps: readonly {
    id: string;
    title: string;
    state: string;
    attempt: number;
    parent: string | null;
  }[];
  readonly control: {
    state: string;
    reason: string | null;
    actor: string;
    at: string;
    exhausted: string | null;
    holder: string | null;
    lease: string | null;
    expiresAt: string | null;
  } | null;
}

export function prepareRunView(db: Db): (id: string) => RunView | undefined {
  const run = db.prepare(
    `select id, mission_id as missionId, title, template, status, rev, seq, partition_no as partitionNo, machine,
       dry_run as dryRun, worker, epoch, steps_total as stepsTotal, steps_finished as stepsFinished, failure,
       parent_run_id as parentRunId, parent_rev as parentRev, start_at as startAt,
       created_at as createdAt, started_at as startedAt, finished_at as finishedAt, updated_at as updatedAt
     from runs where id = ?`,
  );
  const steps = db.prepare(
    `select id, title, state, attempt, parent from steps where run_id = ? order by position`,
  );
  const control = db.prepare(
    `select state, reason, actor, at, exhausted, holder, lease, expires_at as expiresAt from run_controls where run_id = ?`,
  );
  return (id) => {
    const row = run.get(id) as
      (Omit<RunFacts, 'failure' | 'dryRun'> & { failure: string | null; dryRun: number }) | undefined;
    if (!row) return undefined;
    const failure = row.failure === null ? null : (JSON.parse(row.failure) as Failure);
    return {
      run: { ...row, dryRun: row.dryRun === 1, failure },
      steps: steps.all(id) as RunView['steps'],
      control: (control.get(id) as RunView['control'] | undefined) ?? null,
    };
  };
}

/** The newest first; `next` is the cursor of the page after. */
export async function listRuns(em: SqlEntityManager, filter: RunFilter) {
  const [createdAt, id] = filter.cursor?.split('~') ?? [];
  const rows = await em.find(
    RunRow,
    {
      ...(filter.status && { status: { $in: [...filter.status] } }),
      ...(filter.template && { template: filter.template }),
      ...(filter.q && { [raw('instr(lower(title), lower(?))', [filter.q])]: { $gt: 0 } }),
      ...(createdAt && id && { $or: [{ createdAt: { $lt: createdAt } }, { createdAt, id: { $lt: id } }] }),
    },
    { orderBy: { createdAt: 'desc', id: 'desc' }, limit: filter.limit + 1 },
  );
  const page = rows.slice(0, filter.limit);
  const last = page.at(-1);
  return { rows: page, next: rows.length > page.length && last ? `${last.createdAt}~${last.id}` : undefined };
}
