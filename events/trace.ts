import { z } from 'zod';
import { runtimeSchema } from './plan.js';
import { instantSchema, jsonSchema } from './shapes.js';

/** Where an action found its page, or left it: an address without the values of its query. */
const placeSchema = z.strictObject({ url: z.string(), tabs: z.int().min(0).optional() });

/**
 * One action of a step, as it was done: what the trace stream carries. It takes part in no decision and is kept for a
 * time. `args` are the plan's own, with expressions as they stand there; typed text is told by its length alone.
 */
export const traceSchema = z.strictObject({
  runId: z.string(),
  stepId: z.string(),
  attempt: z.int().min(1),
  /** Counts from 0. */
  index: z.int().min(0),
  runtime: runtimeSchema,
  driver: z.string(),
  action: z.string(),
  args: jsonSchema,
  startedAt: instantSchema,
  durationMs: z.number().min(0),
  /** `waiting`: the step cannot go on until something comes, such as a desktop. */
  outcome: z.enum(['done', 'failed', 'stopped', 'waiting']),
  /** Failure code of what failed. */
  code: z.string().optional(),
  before: placeSchema.optional(),
  after: placeSchema.optional(),
  /** Paths of the pictures that were taken after it, and before. */
  screenshot: z.string().optional(),
  screenshotBefore: z.string().optional(),
});
export type Trace = z.infer<typeof traceSchema>;
