import type Database from 'better-sqlite3';
import type { RunEvent } from '#events/catalog.js';
import type { Envelope } from '#events/envelope.js';

export type Db = Database.Database;

/** A stored event on its way into rows. `event` is missing when its type or version is not known here. */
export interface Entry {
  readonly partition: number;
  readonly seq: number;
  readonly envelope: Envelope;
  readonly event: RunEvent | undefined;
}

/** The fold of one read model: prepares its statements once, then takes entries in order, inside a transaction. */
export interface Projection {
  readonly name: string;
  prepare(db: Db): ProjectionFold;
}
export interface ProjectionFold {
  apply(entry: Entry): void;
  /** Called once at the end of a batch, before it commits. */
  flush?(): void;
}

export const json = (value: unknown): string | null =>
  value === undefined || value === null ? null : JSON.stringify(value);
