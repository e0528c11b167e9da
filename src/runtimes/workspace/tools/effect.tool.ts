import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { StepResult } from '../../driver.js';
import { defineTool } from '../tool.js';

const argsSchema = z.strictObject({
  url: z.string().regex(/^http:\/\/127\.0\.0\.1:\d+$/, 'expected http://127.0.0.1:<port>'),
  /** Time between the intent and the act, in which the owner may die or freeze. */
  delayMs: z.int().min(0).max(60_000).default(0),
  /** What the act costs, as the call of a model would. */
  costUsd: z.number().min(0).default(0),
});

/**
 * One act that the world counts, for tests alone: it is registered only where NODE_ENV is `test`. The witness is told
 * who acts and when that was allowed, so that it can tell an owner from one that was fenced.
 */
export const effectTool = defineTool({
  name: 'test.effect',
  description: 'Tells a witness on this machine that the step acts.',
  schema: argsSchema,
  call: async ({ url, delayMs, costUsd }, { idempotencyKey, mayAct, signal, budget }) => {
    const price = { tokens: 0, costUsd };
    const reservation = budget.reserve(price);
    if (delayMs > 0) await sleep(delayMs, undefined, { signal });
    await mayAct();
    const body = JSON.stringify({ key: idempotencyKey, pid: process.pid, sentAt: Date.now() });
    const response = await fetch(`${url}/effects`, { method: 'POST', body, signal });
    reservation.settle(price);
    if (!response.ok) throw new Error(`the witness answered ${response.status}`);
    return seen(idempotencyKey);
  },
  reconcile: async ({ url }, { idempotencyKey, signal }) => {
    const response = await fetch(`${url}/effects?key=${encodeURIComponent(idempotencyKey)}`, { signal });
    const { count } = (await response.json()) as { count: number };
    return count > 0 ? { outcome: 'confirmed', result: seen(idempotencyKey) } : { outcome: 'refuted' };
  },
});

const seen = (key: string): StepResult => ({ output: { key }, content: false });
