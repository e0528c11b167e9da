import type { OwnerCommand } from '#machines/run/run.decide.js';
import type { Effect } from '#machines/run/run.effects.js';
import { record, type EffectTask } from './effect.js';

const LONGEST_TIMEOUT_MS = 2_147_483_647;

/** Waits until a point in time, never less. */
export async function timer(
  task: EffectTask<Extract<Effect, { kind: 'timer' }>>,
): Promise<OwnerCommand | undefined> {
  const dueAt = Date.parse(task.effect.dueAt);
  for (let leftMs = dueAt - Date.now(); leftMs > 0 && !task.signal.aborted; leftMs = dueAt - Date.now()) {
    await pause(Math.min(leftMs, LONGEST_TIMEOUT_MS), task.signal);
  }
  return task.signal.aborted ? undefined : record({ type: 'timer.fired', data: { timer: task.effect.id } });
}

/** Resolves after a while, or when the signal is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(handle);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const handle = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
