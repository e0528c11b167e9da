import { partitionOf } from '#events/subjects.js';
import type { Engine } from '../engine.js';
import type { ReadModels } from '../projections/read-model-service.js';
import type { Queries } from '../projections/queries.js';
import { refuse } from './problem.js';

const SETTLE_TIMEOUT_MS = 10_000;

/** Makes a read wait until the rows hold what this gateway has written, or what the reader names by `?minSeq=`. */
export class ReadYourWrites {
  readonly #written = new Map<number, number>();
  readonly #readModels: ReadModels;
  readonly #partitions: number;

  constructor(engine: Engine) {
    if (!engine.readModels) throw new Error('a gateway needs read models');
    this.#readModels = engine.readModels;
    this.#partitions = engine.log.partitions;
  }

  get queries(): Queries {
    return this.#readModels.queries;
  }

  get progress(): ReadModels['progress'] {
    return this.#readModels.progress;
  }

  wrote(runId: string, seq: number): void {
    const partition = partitionOf(runId, this.#partitions);
    this.#written.set(partition, Math.max(seq, this.#written.get(partition) ?? 0));
  }

  async settle(runId: string, minSeq = 0): Promise<void> {
    const partition = partitionOf(runId, this.#partitions);
    await this.#reached(partition, Math.max(minSeq, this.#written.get(partition) ?? 0));
  }

  async settleAll(): Promise<void> {
    await Promise.all([...this.#written].map(([partition, seq]) => this.#reached(partition, seq)));
  }

  async #reached(partition: number, seq: number): Promise<void> {
    if (await this.progress.reached(partition, seq, SETTLE_TIMEOUT_MS)) return;
    throw refuse(503, 'read-models-behind', 'the read models are behind the log', {
      hint: 'try again shortly',
    });
  }
}
