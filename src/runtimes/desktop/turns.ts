import { SuspendedError } from '../../failures/failures.js';
import type { StepTask } from '../driver.js';

/** Steps of one run that could be done side by side are not, on one desktop. */
export interface Turns {
  /** Resolves when it is this step's turn, with what ends it. */
  next(task: StepTask): Promise<() => void>;
}

export function createTurns(): Turns {
  const last = new Map<string, Promise<void>>();
  return {
    next: async (task) => {
      const { runId, signal, pausing } = task;
      const before = last.get(runId);
      const { promise, resolve } = Promise.withResolvers<void>();
      const mine = (before ?? Promise.resolve()).then(() => promise);
      last.set(runId, mine);
      const done = () => {
        resolve();
        if (last.get(runId) === mine) last.delete(runId);
      };
      try {
        if (before) await firstOf(before, signal, pausing);
        stopIfUnwanted(task);
        return done;
      } catch (error) {
        done();
        throw error;
      }
    },
  };
}

/** A run that rests may go on later from where its step stood. */
export function stopIfUnwanted({ signal, pausing, progress }: StepTask): void {
  signal.throwIfAborted();
  if (pausing.aborted) throw new SuspendedError(progress ?? null);
}

/** Resolves with the first of them. */
function firstOf(turn: Promise<void>, ...signals: readonly AbortSignal[]): Promise<void> {
  const any = AbortSignal.any([...signals]);
  if (any.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  any.addEventListener('abort', () => resolve(), { once: true });
  return Promise.race([turn, promise]);
}
