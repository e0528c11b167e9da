import type { EventData, RunEvent } from '#events/catalog.js';
import type { Plan } from '#events/plan.js';
import { rejectionFailure, type StepState } from '#machines/step/step.machine.js';
import { json, type Db, type Entry, type Projection } from '../projection.js';

export const stepsProjection: Projection = {
  name: 'steps',
  prepare: (db) => {
    const write = prepareWriters(db);
    return { apply: (entry) => applyStepEvent(write, entry) };
  },
};

type Writers = ReturnType<typeof prepareWriters>;

function prepareWriters(db: Db) {
  const insert = db.prepare(
    `insert or ignore into steps (run_id, id, position, parent, title, does, state, attempt) values (?, ?, ?, ?, ?, ?, 'waiting', 1)`,
  );
  const planned = db.prepare(`select title, does from steps where run_id = ? and id = ?`);
  const count = db.prepare(`select count(*) as n from steps where run_id = ?`);
  const dispatch = db.prepare(
    `update steps set state = 'running', started_at = coalesce(started_at, ?) where run_id = ? and id = ?`,
  );
  const move = db.prepare(`update steps set state = ? where run_id = ? and id = ?`);
  const retry = db.prepare(
    `update steps set state = 'backoff', attempt = ?, failure = ? where run_id = ? and id = ?`,
  );
  const done = db.prepare(
    `update steps set state = ?, attempt = ?, runtime = ?, runtime_reason = ?, output = ?, evidence = ?, failure = null,
       duration_ms = ?, finished_at = ? where run_id = ? and id = ?`,
  );
  const failed = db.prepare(
    `update steps set state = 'failed', failure = ?, finished_at = ? where run_id = ? and id = ?`,
  );
  const parentOf = db.prepare(`select parent from steps where run_id = ? and id = ?`);
  const openChildren = db.prepare(
    `select count(*) as n from steps where run_id = ? and parent = ? and state not in ('succeeded', 'failed', 'skipped')`,
  );
  const settle = db.prepare(
    `update steps set state = 'succeeded', finished_at = ? where run_id = ? and id = ?`,
  );
  const carried = db.prepare(
    `insert or replace into steps (run_id, id, position, parent, title, does, state, attempt, output, finished_at)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const skip = db.prepare(`update steps set state = 'skipped', finished_at = ? where run_id = ? and id = ?`);
  const forget = db.prepare(
    `delete from steps where run_id = ? and id not in (select value from json_each(?))`,
  );
  const ask = db.prepare(`update steps set asked = ? where run_id = ? and id = ?`);
  const place = db.prepare(`update steps set position = ? where run_id = ? and id = ?`);
  return {
    forget,
    ask,
    place,
    carried,
    skip,
    insert,
    planned,
    count,
    dispatch,
    move,
    retry,
    done,
    failed,
    parentOf,
    openChildren,
    settle,
  };
}

function applyStepEvent(write: Writers, { event, envelope }: Entry): void {
  if (!event) return;
  const runId = envelope.subject;
  if (event.type === 'run.created') created(write, runId, event);
  if (event.type === 'plan.proposed') replan(write, runId, event.data);
  if (event.type === 'step.expanded') expand(write, runId, event);
  changeStep(write, runId, event);
  if ('next' in event.data) for (const id of event.data.next ?? []) write.dispatch.run(event.time, runId, id);
}

function insertPlan(write: Writers, runId: string, plan: Plan): void {
  for (const [position, step] of plan.steps.entries()) {
    write.insert.run(runId, step.id, position, null, step.title, step.do);
  }
}

/** Another plan takes the place of an earlier one; a finished step that is in both keeps its row. */
function replan(write: Writers, runId: string, { plan, kept }: EventData<'plan.proposed'>): void {
  write.forget.run(runId, JSON.stringify(kept ?? []));
  insertPlan(write, runId, plan);
  for (const [position, step] of plan.steps.entries()) write.place.run(position, runId, step.id);
}

function created(write: Writers, runId: string, event: Extract<RunEvent, { type: 'run.created' }>): void {
  const { mission, reuse } = event.data;
  const plan = reuse?.plan ?? mission.plan;
  if (plan) insertPlan(write, runId, plan);
  let position = plan?.steps.length ?? 0;
  for (const step of reuse?.steps ?? []) {
    const { title, do: does, id } = plan!.steps[step.plan]!;
    const child = step.item !== undefined;
    write.carried.run(
      runId,
      step.id,
      child ? position++ : step.plan,
      child ? id : null,
      title,
      does,
      step.state,
      step.attempt,
      json(step.output),
      event.time,
    );
  }
}

function expand(write: Writers, runId: string, event: Extract<RunEvent, { type: 'step.expanded' }>): void {
  const { stepId, count } = event.data;
  const parent = write.planned.get(runId, stepId) as { title: string; does: string };
  const { n } = write.count.get(runId) as { n: number };
  for (let item = 0; item < count; item++) {
    write.insert.run(runId, `${stepId}.${item}`, n + item, stepId, parent.title, parent.does);
  }
  write.move.run('expanded' satisfies StepState, runId, stepId);
  if (count === 0) write.settle.run(event.time, runId, stepId);
}

const MOVES: Partial<Record<RunEvent['type'], StepState>> = {
  'step.performed': 'verifying',
  'step.in-doubt': 'reconciling',
  'step.approval-requested': 'awaitingApproval',
  'step.approved': 'waiting',
};

function changeStep(write: Writers, runId: string, event: RunEvent): void {
  if (!('stepId' in event.data) || event.data.stepId === undefined) return;
  const { stepId } = event.data;
  const moved = MOVES[event.type];
  if (moved) write.move.run(moved, runId, stepId);
  if (event.type === 'step.approval-requested') write.ask.run(json(event.data.arguments), runId, stepId);
  if (event.type === 'step.skipped') write.skip.run(event.time, runId, stepId);
  if (event.type === 'step.retried')
    write.retry.run(event.data.attempt, json(event.data.failure), runId, stepId);
  if (event.type === 'step.reconciled') reconciled(write, runId, event);
  if (event.type === 'step.succeeded') {
    const { attempt, runtime, runtimeReason, output, evidence, durationMs } = event.data;
    write.done.run(
      'succeeded',
      attempt,
      runtime,
      runtimeReason,
      json(output),
      json(evidence),
      durationMs,
      event.time,
      runId,
      stepId,
    );
  }
  if (event.type === 'step.failed') write.failed.run(json(event.data.failure), event.time, runId, stepId);
  if (event.type === 'step.rejected')
    write.failed.run(json(rejectionFailure(event.data.reason)), event.time, runId, stepId);
  if (ENDS_STEP.has(event.type)) settleParent(write, runId, stepId, event.time);
}

/** After these a step may be finished, and its parent with it. */
const ENDS_STEP: ReadonlySet<string> = new Set([
  'step.succeeded',
  'step.failed',
  'step.rejected',
  'step.skipped',
]);

function reconciled(
  write: Writers,
  runId: string,
  event: Extract<RunEvent, { type: 'step.reconciled' }>,
): void {
  const { stepId, outcome } = event.data;
  write.move.run(STATE_AFTER[outcome], runId, stepId);
}

const STATE_AFTER: Readonly<Record<string, StepState>> = {
  confirmed: 'verifying',
  refuted: 'running',
  unknown: 'inQuestion',
};

function settleParent(write: Writers, runId: string, stepId: string, time: string): void {
  if (!stepId.includes('.')) return;
  const row = write.parentOf.get(runId, stepId) as { parent: string | null } | undefined;
  if (!row?.parent) return;
  const { n } = write.openChildren.get(runId, row.parent) as { n: number };
  if (n === 0) write.settle.run(time, runId, row.parent);
}
