import { z } from 'zod';
import { defineEvent } from './define-event.js';
import { runtimeSchema } from './plan.js';
import { nextSchema } from './run.events.js';
import {
  artifactSchema,
  digestSchema,
  evidenceSchema,
  failureSchema,
  instantSchema,
  outputSchema,
  usageSchema,
} from './shapes.js';

const stepId = z.string().min(1);
const attempt = z.int().min(1);

/** What an attempt did: its output by digest, the files it left, what proves it, where it ran and why there. */
const performance = {
  stepId,
  attempt,
  output: outputSchema,
  artifacts: z.array(artifactSchema).optional(),
  evidence: z.array(evidenceSchema).optional(),
  runtime: runtimeSchema,
  runtimeReason: z.string(),
  /** Which of its runtime's drivers did it. */
  driver: z.string().optional(),
  durationMs: z.number().min(0),
  usage: usageSchema.optional(),
};

/** The intent of a step that is not safe to repeat, committed before it acts. */
export const stepStarted = defineEvent(
  'step.started',
  1,
  z.strictObject({ stepId, attempt, idempotencyKey: z.string() }),
);
/** A `forEach` step became `count` children, `<stepId>.0` to `<stepId>.<count-1>`; `items` is their list, by digest. */
export const stepExpanded = defineEvent(
  'step.expanded',
  1,
  z.strictObject({ stepId, count: z.int().min(0), items: outputSchema, next: nextSchema }),
);
/** The step acted and its checks are still to be made: a crash now verifies again, and does not act again. */
export const stepPerformed = defineEvent('step.performed', 1, z.strictObject(performance));
export const stepSucceeded = defineEvent(
  'step.succeeded',
  1,
  z.strictObject({ ...performance, next: nextSchema }),
);
export const stepFailed = defineEvent(
  'step.failed',
  1,
  z.strictObject({
    stepId,
    attempt,
    failure: failureSchema,
    artifacts: z.array(artifactSchema).optional(),
    driver: z.string().optional(),
    usage: usageSchema.optional(),
    next: nextSchema,
  }),
);
/** An attempt failed and the next one, number `attempt`, begins at `retryAt`. */
export const stepRetried = defineEvent(
  'step.retried',
  1,
  z.strictObject({
    stepId,
    attempt: z.int().min(2),
    failure: failureSchema,
    artifacts: z.array(artifactSchema).optional(),
    driver: z.string().optional(),
    usage: usageSchema.optional(),
    retryAt: instantSchema,
    next: nextSchema,
  }),
);
/**
 * A driver stopped between two acts, because the run pauses or is given to another owner: the same attempt goes on later
 * from where it stood. `progress` is the driver's own word for that place; the intent is said anew then.
 */
export const stepSuspended = defineEvent(
  'step.suspended',
  1,
  z.strictObject({ stepId, attempt, progress: outputSchema, artifacts: z.array(artifactSchema).optional() }),
);
export const stepInDoubt = defineEvent(
  'step.in-doubt',
  1,
  z.strictObject({
    stepId,
    attempt,
    idempotencyKey: z.string(),
    /** What happened in the middle of it, where its driver could tell. */
    failure: failureSchema.optional(),
  }),
);
/** How a step in doubt was settled: it happened, it did not, or nobody can tell. */
export const stepReconciled = defineEvent(
  'step.reconciled',
  1,
  z.strictObject({
    stepId,
    attempt,
    outcome: z.enum(['confirmed', 'refuted', 'unknown']),
    output: outputSchema.optional(),
    evidence: z.array(evidenceSchema).optional(),
    next: nextSchema,
  }),
);
/** `argumentHash` is the digest of `arguments`: `{ do, with }` as the step would be done, its expressions resolved. */
export const stepApprovalRequested = defineEvent(
  'step.approval-requested',
  1,
  z.strictObject({ stepId, attempt, argumentHash: digestSchema, arguments: outputSchema.optional() }),
);
export const stepApproved = defineEvent(
  'step.approved',
  1,
  z.strictObject({
    stepId,
    argumentHash: digestSchema,
    note: z.string().max(2000).optional(),
    next: nextSchema,
  }),
);
export const stepRejected = defineEvent(
  'step.rejected',
  1,
  z.strictObject({ stepId, reason: z.string().max(2000).optional(), next: nextSchema }),
);
/** A person decided that the run goes on without this step. */
export const stepSkipped = defineEvent(
  'step.skipped',
  1,
  z.strictObject({ stepId, reason: z.string().max(2000).optional(), next: nextSchema }),
);
