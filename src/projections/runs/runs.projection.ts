import type { Mission } from '#events/mission.js';
import type { Entry, Projection } from '../projection.js';
import { json } from '../projection.js';

/** What a run is called in a list. */
const titleOf = (mission: Mission): string =>
  mission.objective ?? mission.template ?? mission.plan?.steps[0]?.title ?? mission.id;

const parentOf = (parent?: { runId: string; rev: number }): [string | null, number | null] =>
  parent ? [parent.runId, parent.rev] : [null, null];

export const runsProjection: Projection = {
  name: 'runs',
  prepare: (db) => {
    const insert = db.prepare(
      `insert or ignore into runs (id, mission_id, title, template, status, rev, seq, partition_no, machine, dry_run,
         epoch, steps_total, steps_finished, parent_run_id, parent_rev, start_at, created_at, updated_at)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?)`,
    );
    const advance = db.prepare(
      `update runs set status = ?, rev = ?, seq = ?, updated_at = ?, steps_finished = steps_finished + ? where id = ? and rev < ?`,
    );
    const own = db.prepare(
      `update runs set worker = ?, epoch = ?, started_at = coalesce(started_at, ?) where id = ?`,
    );
    const addSteps = db.prepare(`update runs set steps_total = steps_total + ? where id = ?`);
    const setSteps = db.prepare(`update runs set steps_total = ?, steps_finished = ? where id = ?`);
    const finish = db.prepare(`update runs set finished_at = ?, failure = ?, worker = null where id = ?`);
    const quarantine = db.prepare(`update runs set status = 'quarantined' where id = ?`);

    /** The last entry of each run in the batch: its place is written once. */
    const last = new Map<string, { entry: Entry; finishedSteps: number }>();

    function create({ envelope, event, partition, seq }: Entry): void {
      if (event?.type !== 'run.created') return;
      const { mission, dryRun, machine, reuse, parent, startAt } = event.data;
      const plan = reuse?.plan ?? mission.plan;
      insert.run(
        envelope.subject,
        mission.id,
        titleOf(mission),
        mission.template ?? null,
        envelope.stateto,
        event.rev,
        seq,
        partition,
        machine,
        dryRun ? 1 : 0,
        plan?.steps.length ?? 0,
        reuse?.steps.length ?? 0,
        ...parentOf(parent),
        startAt ?? null,
        event.time,
        event.time,
      );
    }

    function details({ event, envelope: { subject } }: Entry): void {
      switch (event?.type) {
        case 'run.started':
        case 'run.recovered':
          own.run(event.data.worker, event.data.epoch, event.time, subject);
          break;
        case 'plan.proposed': {
          const { plan, kept = [] } = event.data;
          const inPlan = new Set(plan.steps.map((step) => step.id));
          const children = kept.filter((id) => !inPlan.has(id)).length;
          setSteps.run(plan.steps.length + children, kept.length, subject);
          break;
        }
        case 'step.expanded':
          addSteps.run(event.data.count, subject);
          break;
        case 'run.succeeded':
        case 'run.cancelled':
          finish.run(event.time, null, subject);
          break;
        case 'run.failed':
        case 'run.quarantined':
          finish.run(event.time, json(event.data.failure), subject);
          break;
        default:
      }
    }

    return {
      apply: (entry) => {
        create(entry);
        details(entry);
        const { subject } = entry.envelope;
        // Another plan has been counted anew: what was finished before it is in that count.
        const before = entry.event?.type === 'plan.proposed' ? 0 : last.get(subject)?.finishedSteps;
        const finishedSteps = (before ?? 0) + (finishesStep(entry) ? 1 : 0);
        last.set(subject, { entry, finishedSteps });
      },
      flush: () => {
        for (const [runId, { entry, finishedSteps }] of last) {
          const { envelope, seq, event } = entry;
          advance.run(envelope.stateto, envelope.rev, seq, envelope.time, finishedSteps, runId, envelope.rev);
          if (!event) quarantine.run(runId);
        }
        last.clear();
      },
    };
  },
};

/** A `forEach` step has done its own part with its expansion: from then on its children are what is counted. */
function finishesStep({ event }: Entry): boolean {
  return event !== undefined && FINISHING.has(event.type);
}
const FINISHING: ReadonlySet<string> = new Set([
  'step.succeeded',
  'step.failed',
  'step.rejected',
  'step.expanded',
  'step.skipped',
]);
