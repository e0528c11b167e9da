import { setTimeout as sleep } from 'node:timers/promises';

/** Waits, unless it is to stop. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}
