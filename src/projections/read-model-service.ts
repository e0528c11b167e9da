import { Worker } from 'node:worker_threads';
import type { EventLog } from '../log/event-log.js';
import type { JetStreamSettings } from '../log/jetstream.log.js';
import { compiledFile } from '../setup/package-root.js';
import { openDatabase } from './database.js';
import { createProgress, type Progress } from './progress.js';
import type { Advance } from './projector.js';
import { createQueries, type Queries } from './queries.js';

/** The read models of one process: folded on a thread, queried here. */
export interface ReadModels {
  readonly queries: Queries;
  readonly progress: Progress;
  /** The checkpoints as they were when this process started. */
  readonly checkpoints: readonly number[];
  close(): Promise<void>;
}

type ThreadMessage =
  | { kind: 'ready'; checkpoints: number[] }
  | { kind: 'advanced'; advances: Advance[] }
  | { kind: 'bad-event'; partition: number; seq: number }
  | { kind: 'stopped' };

export interface ReadModelSettings {
  readonly log: JetStreamSettings;
  readonly file: string;
  onFault(error: unknown): void;
}

const STOP_TIMEOUT_MS = 5_000;

export async function openReadModels(settings: ReadModelSettings): Promise<ReadModels> {
  const progress = createProgress();
  const thread = new Worker(compiledFile('src/projections/projector.thread.js'), {
    workerData: { log: settings.log, file: settings.file },
  });
  const checkpoints = await started(thread, progress, settings);
  const database = await openDatabase(settings.file);
  return {
    queries: createQueries(database),
    progress,
    checkpoints,
    close: async () => {
      await stopThread(thread);
      await database.close();
    },
  };
}

function started(thread: Worker, progress: Progress, settings: ReadModelSettings): Promise<number[]> {
  return new Promise((resolve, reject) => {
    thread.on('error', (error) => {
      reject(error);
      settings.onFault(error);
    });
    thread.on('message', (message: ThreadMessage) => {
      if (message.kind === 'ready') {
        for (const [partition, seq] of message.checkpoints.entries()) progress.advanced(partition, seq, {});
        resolve(message.checkpoints);
      } else if (message.kind === 'advanced') {
        for (const { partition, seq, runs } of message.advances) progress.advanced(partition, seq, runs);
      } else if (message.kind === 'bad-event') {
        settings.onFault(new Error(`partition ${message.partition} sequence ${message.seq} is not an event`));
      }
    });
  });
}

async function stopThread(thread: Worker): Promise<void> {
  const exited = new Promise((resolve) => thread.once('exit', resolve));
  thread.postMessage('stop');
  const timer = setTimeout(() => void thread.terminate(), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}

/** Checkpoints that are ahead of the log: events that were folded are gone from it. */
export async function checkpointsAhead(log: EventLog, checkpoints: readonly number[]): Promise<string[]> {
  const info = await log.info();
  return info.flatMap(({ partition, lastSeq }) => {
    const folded = checkpoints[partition] ?? 0;
    return folded > lastSeq
      ? [`partition ${partition} ends at sequence ${lastSeq}, but events up to ${folded} were already folded`]
      : [];
  });
}
