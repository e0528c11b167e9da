import type { Decoded } from '#events/catalog.js';
import type { StoredEvent } from '../log/event-log.js';
import type { Db, Entry } from './projection.js';
import { projections } from './read-models.js';
import { createRecogniser } from '../log/recognise.js';

/** What a batch moved: the sequence the partition is folded up to, and the runs that changed, with their status. */
export interface Advance {
  readonly partition: number;
  readonly seq: number;
  readonly runs: Record<string, string>;
}

export interface Batch {
  readonly partition: number;
  readonly events: readonly StoredEvent[];
}

export interface Projector {
  checkpoint(partition: number): number;
  /** Folds batches: rows and checkpoints in one transaction. What is already folded is passed over. */
  fold(batches: readonly Batch[]): Advance[];
}

export function createProjector(
  db: Db,
  onBadEvent: (stored: StoredEvent) => void = () => undefined,
): Projector {
  const folds = projections.map((projection) => projection.prepare(db));
  const recognise = createRecogniser();
  const readCheckpoint = db.prepare('select seq from checkpoints where partition_no = ?').pluck();
  const writeCheckpoint = db.prepare(
    'insert into checkpoints (partition_no, seq) values (?, ?) on conflict (partition_no) do update set seq = excluded.seq',
  );
  const checkpoint = (partition: number): number =>
    (readCheckpoint.get(partition) as number | undefined) ?? 0;

  function foldBatch({ partition, events }: Batch): Advance {
    let seq = checkpoint(partition);
    const entries: Entry[] = [];
    for (const stored of events) {
      if (stored.seq <= seq) continue;
      seq = stored.seq;
      const entry = entryOf(stored, recognise(stored.body));
      if (entry) entries.push(entry);
      else onBadEvent(stored);
    }
    for (const entry of entries) for (const fold of folds) fold.apply(entry);
    writeCheckpoint.run(partition, seq);
    return {
      partition,
      seq,
      runs: Object.fromEntries(entries.map(({ envelope }) => [envelope.subject, envelope.stateto])),
    };
  }

  const foldAll = db.transaction((batches: readonly Batch[]): Advance[] => {
    const advances = batches.map(foldBatch);
    for (const fold of folds) fold.flush?.();
    return advances;
  });
  return { checkpoint, fold: (batches) => foldAll.immediate(batches) };
}

/** An event of an unknown type is folded for what its envelope says; a body that is no event at all cannot be. */
function entryOf({ partition, seq }: StoredEvent, decoded: Decoded): Entry | undefined {
  if (decoded.kind === 'invalid') return undefined;
  const event = decoded.kind === 'known' ? decoded.event : undefined;
  return { partition, seq, envelope: decoded.envelope, event };
}
