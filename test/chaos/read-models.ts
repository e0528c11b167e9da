import { DatabaseSync } from 'node:sqlite';
import type { Client } from './client.js';

/** A run as the read models tell it. */
export interface Row {
  readonly id: string;
  readonly status: string;
  readonly rev: number;
  readonly seq: number;
  readonly partition: number;
}

/** The read models at a moment at which nobody writes them. */
export interface Snapshot {
  readonly checkpoints: ReadonlyMap<number, number>;
  readonly rows: ReadonlyMap<string, Row>;
}

/** The file a dead process has left behind, as its successor will find it. */
export function snapshotOf(file: string): Snapshot {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const checkpoints = db.prepare('select partition_no as partition, seq from checkpoints').all();
    const rows = db.prepare('select id, status, rev, seq, partition_no as partition from runs').all();
    return {
      checkpoints: new Map(checkpoints.map(({ partition, seq }) => [Number(partition), Number(seq)])),
      rows: new Map((rows as unknown as Row[]).map((row) => [row.id, row])),
    };
  } finally {
    db.close();
  }
}

/** Every row of `GET /runs`. */
export async function rowsOverHttp(client: Client): Promise<Map<string, Record<string, unknown>>> {
  const rows = new Map<string, Record<string, unknown>>();
  for (let cursor = ''; ;) {
    const { body } = await client.ask(`/runs?limit=200${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    for (const row of body.runs as Record<string, unknown>[]) rows.set(row.id as string, row);
    if (!body.next) return rows;
    cursor = body.next as string;
  }
}
