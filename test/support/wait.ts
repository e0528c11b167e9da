import { setTimeout as sleep } from 'node:timers/promises';

/** How long anything here may take before it counts as hung. */
export const HANG_MS = 20_000;

/** Resolves with what `probe` gives, as soon as it gives something that is neither undefined nor false. */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadline = Date.now() + HANG_MS;
  while (Date.now() < deadline) {
    const found = await probe();
    if (found !== undefined && found !== false) return found;
    await sleep(5);
  }
  throw new Error(`waited ${HANG_MS} ms in vain until ${what}`);
}

/** A promise and what settles it. */
export function gate<T = void>(): { promise: Promise<T>; open: (value: T) => void } {
  let open!: (value: T) => void;
  const promise = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}
