import type { StoredEvent } from '../log/event-log.js';
import { openDatabase, openRowsAsTheyAre } from './database.js';
import type { Db } from './projection.js';
import { createProjector } from './projector.js';

/** A difference between rows as they are and rows as the log makes them. */
export interface RowDifference {
  readonly table: string;
  readonly key: string;
  readonly difference: 'missing' | 'extra' | 'changed';
}

export interface RowComparison {
  /** Rows that were compared, over all tables. */
  readonly rows: number;
  /** Sequences the rows say they are folded up to, by partition. */
  readonly checkpoints: readonly number[];
  readonly differences: readonly RowDifference[];
}

/** Tables with what names a row in them; a number that SQLite counts by itself is no part of a row. */
const TABLES: readonly (readonly [table: string, keys: readonly string[], ignored?: string])[] = [
  ['missions', ['id']],
  ['runs', ['id']],
  ['steps', ['run_id', 'id']],
  ['artifacts', ['run_id', 'path']],
  ['queue_jobs', ['run_id']],
  ['run_controls', ['run_id']],
  ['telemetry', ['run_id', 'rev'], 'id'],
  ['checkpoints', ['partition_no']],
];

/**
 * Folds the log anew, up to where the rows of `file` have come, and compares. Reads the rows in one transaction, so that
 * a server may go on folding meanwhile. `eventsUpTo` gives the events of a partition up to a sequence.
 */
export async function compareRows(
  file: string,
  partitions: number,
  eventsUpTo: (partition: number, seq: number) => Promise<readonly StoredEvent[]>,
): Promise<RowComparison> {
  const live = await openRowsAsTheyAre(file);
  if (!live) return OF_ANOTHER_SCHEMA;
  const fresh = await openDatabase(':memory:');
  try {
    live.db.exec('begin');
    const of = createProjector(live.db);
    const checkpoints = Array.from({ length: partitions }, (_, partition) => of.checkpoint(partition));
    const rowsNow = TABLES.map((table) => rowsOf(live.db, table));
    live.db.exec('commit');
    const projector = createProjector(fresh.db);
    for (const [partition, seq] of checkpoints.entries()) {
      if (seq > 0) projector.fold([{ partition, events: await eventsUpTo(partition, seq) }]);
    }
    const differences = TABLES.flatMap((table, index) =>
      differencesOf(table[0], rowsNow[index]!, rowsOf(fresh.db, table)),
    );
    const rows = rowsNow.reduce((sum, table) => sum + table.size, 0);
    return { rows, checkpoints, differences };
  } finally {
    await live.close();
    await fresh.close();
  }
}

const OF_ANOTHER_SCHEMA: RowComparison = {
  rows: 0,
  checkpoints: [],
  differences: [{ table: 'all tables', key: 'their schema', difference: 'changed' }],
};

function rowsOf(db: Db, [table, keys, ignored]: (typeof TABLES)[number]): Map<string, string> {
  const rows = db.prepare(`select * from ${table}`).all() as Record<string, unknown>[];
  return new Map(
    rows.map((row) => {
      if (ignored !== undefined) delete row[ignored];
      return [keys.map((key) => String(row[key])).join(' '), JSON.stringify(row)];
    }),
  );
}

function differencesOf(
  table: string,
  live: ReadonlyMap<string, string>,
  fresh: ReadonlyMap<string, string>,
): RowDifference[] {
  const found: RowDifference[] = [];
  for (const [key, row] of fresh) {
    const now = live.get(key);
    if (now === undefined) found.push({ table, key, difference: 'missing' });
    else if (now !== row) found.push({ table, key, difference: 'changed' });
  }
  for (const key of live.keys()) if (!fresh.has(key)) found.push({ table, key, difference: 'extra' });
  return found;
}
