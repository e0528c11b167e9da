import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';

/** Who waits for which Skyvern run in this process. */
export interface SkyvernWakeUps {
  /** Something has happened to a run; what, its waiter asks Skyvern itself. */
  readonly wake: (runId: string) => void;
  /** Resolves at the next wake-up of a run. */
  next(runId: string): { readonly woken: Promise<void>; readonly forget: () => void };
}

export function createSkyvernWakeUps(): SkyvernWakeUps {
  const waiting = new Map<string, Set<() => void>>();
  return {
    wake: (runId) => {
      for (const resume of waiting.get(runId) ?? []) resume();
    },
    next: (runId) => {
      const { promise: woken, resolve } = Promise.withResolvers<void>();
      const resumers = waiting.get(runId) ?? new Set();
      waiting.set(runId, resumers.add(resolve));
      const forget = () => {
        resumers.delete(resolve);
        if (resumers.size === 0 && waiting.get(runId) === resumers) waiting.delete(runId);
      };
      return { woken, forget };
    },
  };
}

/** `x-skyvern-signature`: hexadecimal HMAC-SHA256 of the raw body under the API key. */
export function isSigned(body: Uint8Array, signature: string | undefined, apiKey: string): boolean {
  const expected = createHmac('sha256', apiKey).update(body).digest();
  const given = Buffer.from(/^[0-9a-f]{64}$/i.test(signature ?? '') ? signature! : '', 'hex');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

const bodySchema = z.looseObject({
  run_id: z.string().min(1).optional(),
  task_id: z.string().min(1).optional(),
});

/** Which run a webhook is about. Its other words are not trusted: Skyvern is asked. */
export function runOfWebhook(body: Uint8Array): string | undefined {
  try {
    const { run_id, task_id } = bodySchema.parse(JSON.parse(Buffer.from(body).toString()));
    return run_id ?? task_id;
  } catch {
    return undefined;
  }
}
