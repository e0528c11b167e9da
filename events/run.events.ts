import { z } from 'zod';
import { defineEvent } from './define-event.js';
import { missionSchema } from './mission.js';
import { digestSchema, evidenceSchema, failureSchema, instantSchema } from './shapes.js';

/** The steps this transition dispatched, so that a subscriber needs no second message to see what started. */
export const nextSchema = z.array(z.string()).optional();

const reason = z.string().max(2000).optional();

export const runCreated = defineEvent(
  'run.created',
  1,
  z.strictObject({
    mission: missionSchema,
    machine: z.string(),
    dryRun: z.boolean(),
    requestDigest: digestSchema,
    parent: z.strictObject({ runId: z.string(), rev: z.int().min(1).optional() }).optional(),
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
  z.strictObject({ worker: z.string(), epoch: z.int().min(2), next: nextSchema }),
);
export const runPauseRequested = defineEvent('run.pause-requested', 1, z.strictObject({ reason }));
export const runPaused = defineEvent(
  'run.paused',
  1,
  z.strictObject({ quiescedAt: instantSchema, interrupted: z.array(z.string()), reason }),
);
export const runResumed = defineEvent(
  'run.resumed',
  1,
  z.strictObject({ note: z.string().max(10_000).optional(), next: nextSchema }),
);
export const runCancelRequested = defineEvent('run.cancel-requested', 1, z.strictObject({ reason }));
export const runCancelled = defineEvent(
  'run.cancelled',
  1,
  z.strictObject({ interrupted: z.array(z.string()), reason }),
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
