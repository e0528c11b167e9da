import { existsSync } from 'node:fs';
import { eventTypeOf, type Envelope } from '#events/envelope.js';
import type { EventLog, StoredEvent } from '../log/event-log.js';
import { compareRows, type RowComparison } from '../projections/compare-rows.js';
import { replayRun } from '../runs/replay-run.js';
import { RunQuarantinedError } from '../runs/run-state.js';

/** Something that must hold and does not. */
export interface Violation {
  readonly invariant:
    'one-creation' | 'one-end' | 'revisions' | 'chain-and-replay' | 'rows' | 'checkpoints' | 'sequences';
  readonly runId?: string;
  readonly detail: string;
}

export interface Verification {
  readonly events: number;
  readonly runs: number;
  readonly quarantined: number;
  readonly rows: number;
  readonly violations: readonly Violation[];
}

/** Folds the whole log (or one run) anew, and compares it with itself and with the rows. Writes nothing. */
export async function verify(log: EventLog, databaseFile: string, only?: string): Promise<Verification> {
  if (only !== undefined) return summary(await log.read(only), undefined, []);
  const partitions = await Promise.all((await log.info()).map((info) => readPartition(log, info)));
  const gaps = partitions.flatMap(sequenceGaps);
  if (!existsSync(databaseFile)) return summary(partitions.flat(), undefined, gaps);
  const comparison = await compareRows(databaseFile, log.partitions, (partition, seq) =>
    Promise.resolve(partitions[partition]!.filter((stored) => stored.seq <= seq)),
  );
  const ahead = comparison.checkpoints.flatMap((seq, partition): Violation[] => {
    const last = partitions[partition]!.at(-1)?.seq ?? 0;
    const detail = `partition ${partition} ends at sequence ${last}; rows are folded up to ${seq}`;
    return seq > last ? [{ invariant: 'checkpoints', detail }] : [];
  });
  return summary(partitions.flat(), comparison, [...gaps, ...ahead]);
}

/** Everything a partition holds now. */
async function readPartition(
  log: EventLog,
  { partition, lastSeq }: { partition: number; lastSeq: number },
): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  if (lastSeq === 0) return events;
  const { promise, resolve } = Promise.withResolvers<void>();
  const following = await log.follow(partition, 0, (batch) => {
    for (const stored of batch) if (stored.seq <= lastSeq) events.push(stored);
    if ((batch.at(-1)?.seq ?? 0) >= lastSeq) resolve();
  });
  await promise;
  await following.stop();
  return events;
}

/** Nothing is ever deleted: the sequences of a partition are 1 to n. */
function sequenceGaps(events: readonly StoredEvent[], partition: number): Violation[] {
  const wrong = events.findIndex(({ seq }, index) => seq !== index + 1);
  if (wrong < 0) return [];
  const detail = `partition ${partition}: sequence ${wrong + 1} is missing`;
  return [{ invariant: 'sequences', detail }];
}

function summary(
  events: readonly StoredEvent[],
  comparison: RowComparison | undefined,
  violations: readonly Violation[],
): Verification {
  const runs = Map.groupBy(events, ({ body }) => (body as Partial<Envelope> | null)?.subject ?? 'no run');
  const found = [...runs].flatMap(([runId, history]) => verifyRun(runId, history));
  const rows = (comparison?.differences ?? []).map(({ table, key, difference }): Violation => {
    return { invariant: 'rows', detail: `${table}: the row of ${key} is ${difference}` };
  });
  return {
    events: events.length,
    runs: runs.size,
    quarantined: [...runs.values()].filter(isQuarantined).length,
    rows: comparison?.rows ?? 0,
    violations: [...violations, ...found, ...rows],
  };
}

const ENDS: ReadonlySet<string> = new Set(['run.succeeded', 'run.failed', 'run.cancelled']);
const typesOf = (history: readonly StoredEvent[]): string[] =>
  history.map(({ body }) => eventTypeOf({ type: String((body as Partial<Envelope> | null)?.type) }));
const isQuarantined = (history: readonly StoredEvent[]): boolean =>
  typesOf(history).at(-1) === 'run.quarantined';

function verifyRun(runId: string, history: readonly StoredEvent[]): Violation[] {
  const types = typesOf(history);
  const violations: Violation[] = [];
  const say = (invariant: Violation['invariant'], detail: string) =>
    violations.push({ invariant, runId, detail });
  const created = types.filter((type) => type === 'run.created').length;
  if (created !== 1) say('one-creation', `it was created ${created} times`);
  const ends = types.filter((type) => ENDS.has(type));
  if (ends.length > 1) say('one-end', `it ended ${ends.length} times: ${ends.join(', ')}`);
  const wrong = history.findIndex(({ body }, index) => (body as Partial<Envelope> | null)?.rev !== index + 1);
  if (wrong >= 0) say('revisions', `revision ${wrong + 1} is not where it belongs`);
  const broken = replayError(history);
  if (broken !== undefined) say('chain-and-replay', broken);
  return violations;
}

/** Hash chain, every recorded state, and the machine's own opinion. A quarantined run has been judged already. */
function replayError(history: readonly StoredEvent[]): string | undefined {
  if (isQuarantined(history)) return undefined;
  try {
    replayRun(history);
    return undefined;
  } catch (error) {
    if (error instanceof RunQuarantinedError) return undefined;
    return (error as Error).message;
  }
}
