import { z } from 'zod';
import { defineEvent } from './define-event.js';
import { limitsSchema } from './mission.js';
import { nextSchema } from './run.events.js';
import {
  artifactSchema,
  evidenceSchema,
  failureSchema,
  instantSchema,
  jsonSchema,
  outputSchema,
  usageSchema,
} from './shapes.js';

/** What can be used up: steps of the plan, time, tokens, money. Each has its own field in `limits`. */
export const budgetSchema = z.enum(['maxSteps', 'maxDurationMs', 'maxTokens', 'maxCostUsd']);

/** A limit does not leave room for what comes next: nothing is spent, and the run pauses. */
export const budgetExhausted = defineEvent(
  'budget.exhausted',
  1,
  z.strictObject({
    budget: budgetSchema,
    limit: z.number(),
    wanted: z.number().optional(),
    /** The step that would have spent it, and what it had spent until then. */
    stepId: z.string().optional(),
    usage: usageSchema.optional(),
  }),
);
/** A person raised limits of a run. */
export const budgetRaised = defineEvent(
  'budget.raised',
  1,
  z.strictObject({ limits: limitsSchema, next: nextSchema }),
);

const lease = z.string().min(1).max(100);

/** A person has the controls of a run, over all its runtimes, until `expiresAt`; `epoch` rises with every taking. */
export const controlTaken = defineEvent(
  'control.taken',
  1,
  z.strictObject({
    lease,
    holder: z.string(),
    epoch: z.int().min(1),
    expiresAt: instantSchema,
    reason: z.string().max(2000).optional(),
  }),
);
export const controlRenewed = defineEvent(
  'control.renewed',
  1,
  z.strictObject({ lease, expiresAt: instantSchema }),
);
/** A person did something through a driver. What was typed is told by its length alone. */
export const controlActed = defineEvent(
  'control.acted',
  1,
  z.strictObject({
    lease,
    does: z.string(),
    with: jsonSchema,
    outcome: z.enum(['succeeded', 'failed']),
    output: outputSchema.optional(),
    failure: failureSchema.optional(),
    artifacts: z.array(artifactSchema).optional(),
    evidence: z.array(evidenceSchema).optional(),
    durationMs: z.number().min(0),
  }),
);
/** The controls went back: to the run, which goes on, or (the lease ran out) to nobody, and the run stays paused. */
export const controlReleased = defineEvent(
  'control.released',
  1,
  z.strictObject({
    lease,
    how: z.enum(['handback', 'expired']),
    note: z.string().max(10_000).optional(),
    replan: z.literal(true).optional(),
    next: nextSchema,
  }),
);
