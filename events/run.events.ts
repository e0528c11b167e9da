import { z } from 'zod';
import { defineEvent } from './define-event.js';
import { missionSchema } from './mission.js';
import { planSchema } from './plan.js';
import {
  artifactSchema,
  digestSchema,
  evidenceSchema,
  failureSchema,
  instantSchema,
  outputSchema,
} from './shapes.js';

/** The steps this transition dispatched, so that a subscriber needs no second message to see what started. */
export const nextSchema = z.array(z.string()).optional();

const reason = z.string().max(2000).optional();

/** A finished step of an earlier run that a new one need not do again; `plan` is its place in the plan of `reuse`. */
export const reusedStepSchema = z.strictObject({
  id: z.string(),
  plan: z.int().min(0),
  item: z.int().min(0).optional(),
  attempt: z.int().min(1),
  intent: z.literal(false),
  approved: z.literal(true),
  state: z.enum(['succeeded', 'skipped']),
  children: z.int().min(0).optional(),
  items: outputSchema.optional(),
  output: outputSchema.optional(),
  artifacts: z.array(artifactSchema).optional(),
});
/** What a retry or a fork takes over from the run it comes from. */
export const reuseSchema = z.strictObject({ plan: planSchema, steps: z.array(reusedStepSchema) });
export type Reuse = z.infer<typeof reuseSchema>;

export const runCreated = defineEvent(
  'run.created',
  1,
  z.strictObject({
    mission: missionSchema,
    machine: z.string(),
    dryRun: z.boolean(),
    requestDigest: digestSchema,
    /** The run this one is a retry or a fork of, and the revision up to which they share their history. */
    parent: z.strictObject({ runId: z.string(), rev: z.int().min(1) }).optional(),
    reuse: reuseSchema.optional(),
    /** When a scheduled run begins; until then it is queued. */
    startAt: instantSchema.optional(),
  }),
);
export const runStarted = defineEvent(
  'run.started',
  1,
  z.strictObject({ worker: z.string(), epoch: z.int().min(1), next: nextSchema }),
);
export const runRecovered = defineEvent(
  'run.recovered',
  1,
  z.strictObject({
    worker: z.string(),
    epoch: z.int().min(2),
    /** In older logs: the owner was never another, only late, and what it had in hand is not in doubt. */
    continued: z.literal(true).optional(),
    next: nextSchema,
  }),
);
export const runPauseRequested = defineEvent('run.pause-requested', 1, z.strictObject({ reason }));
export const runPaused = defineEvent(
  'run.paused',
  1,
  z.strictObject({
    /** When nothing of the run was in flight any more. */
    quiescedAt: instantSchema,
    /** Id of the effect that ended last, e.g. `execute:pay:1`. */
    lastEffect: z.string().optional(),
    interrupted: z.array(z.string()),
    cause: z.enum(['person', 'budget']).optional(),
    reason,
  }),
);
export const runResumed = defineEvent(
  'run.resumed',
  1,
  z.strictObject({
    note: z.string().max(10_000).optional(),
    /** The rest of the plan is made anew; finished steps that are still in it are kept. */
    replan: z.literal(true).optional(),
    next: nextSchema,
  }),
);
export const runCancelRequested = defineEvent('run.cancel-requested', 1, z.strictObject({ reason }));
export const runCancelled = defineEvent(
  'run.cancelled',
  1,
  z.strictObject({
    interrupted: z.array(z.string()),
    /** Nobody was there at the start of a scheduled run that is not to be made good. */
    missed: z.literal(true).optional(),
    reason,
  }),
);
export const runSucceeded = defineEvent('run.succeeded', 1, z.strictObject({ checks: z.int().min(0) }));
export const runFailed = defineEvent('run.failed', 1, z.strictObject({ failure: failureSchema }));
/** The run's history cannot be replayed: it is left alone from here on, and no other run is touched. */
export const runQuarantined = defineEvent('run.quarantined', 1, z.strictObject({ failure: failureSchema }));
export const timerFired = defineEvent(
  'timer.fired',
  1,
  z.strictObject({ timer: z.string(), next: nextSchema }),
);

export const validationPassed = defineEvent(
  'validation.passed',
  1,
  z.strictObject({ evidence: z.array(evidenceSchema) }),
);
export const validationFailed = defineEvent(
  'validation.failed',
  1,
  z.strictObject({ failure: failureSchema }),
);
