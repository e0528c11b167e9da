import type { StoredEvent } from '../../src/log/event-log.js';
import { tally, type Evidence, type Finding } from './evidence.js';
import { told, type Told } from './record.js';
import type { Snapshot } from './read-models.js';

/** What must hold of the log and the read models together. */
export const rowChecks = [i8, i9];

const statusAfter = ({ type, body }: Told): string =>
  type === 'run.quarantined' ? 'quarantined' : body.stateto;

function i8({ told: histories, rows, rebuilt, newer }: Evidence): Finding {
  const { check, done } = tally();
  for (const [runId, events] of histories) {
    const last = events.at(-1)!;
    const row = rows.get(runId);
    const status = newer.has(runId) ? 'quarantined' : statusAfter(last);
    const right = row?.status === status && row.rev === last.body.rev && row.seq === last.seq;
    check(right, () => `${runId}: ${last.type} at ${last.seq}, and the row says ${JSON.stringify(row)}`);
    const [live, anew] = [JSON.stringify(row), JSON.stringify(rebuilt.get(runId))];
    check(live === anew, () => `${runId}: ${live}, and folded anew: ${anew}`);
  }
  const strangers = [...rows.keys()].filter((runId) => !histories.has(runId));
  check(strangers.length === 0, () => `rows without a run: ${strangers.join(', ')}`);
  return done('I8', 'the rows are the fold of the log, live as from zero');
}

function i9({ histories, snapshots }: Evidence): Finding {
  const { check, done } = tally();
  for (const [index, snapshot] of snapshots.entries()) {
    for (const [runId, events] of histories) {
      const problem = tornRow(snapshot, runId, events);
      check(problem === undefined, () => `gateway death ${index + 1}: ${problem}`);
    }
  }
  return done('I9', 'what a killed projector leaves is the fold of the log up to its checkpoint');
}

function tornRow(snapshot: Snapshot, runId: string, events: readonly StoredEvent[]): string | undefined {
  const checkpoint = snapshot.checkpoints.get(events[0]!.partition) ?? 0;
  const folded = events.filter(({ seq }) => seq <= checkpoint).at(-1);
  const row = snapshot.rows.get(runId);
  if (row?.seq === folded?.seq && row?.rev === (folded && told(folded).body.rev)) return undefined;
  return `${runId}: checkpoint ${checkpoint} holds ${folded?.seq}, and the row says ${JSON.stringify(row)}`;
}
