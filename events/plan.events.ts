import { z } from 'zod';
import { defineEvent } from './define-event.js';
import { planSchema } from './plan.js';
import { nextSchema } from './run.events.js';
import { failureSchema } from './shapes.js';

export const planProposed = defineEvent(
  'plan.proposed',
  1,
  z.strictObject({
    plan: planSchema,
    source: z.enum(['template', 'model', 'simulated']),
    reason: z.string(),
    /** Finished steps of the plan before that are in this one too, word for word. */
    kept: z.array(z.string()).optional(),
    next: nextSchema,
  }),
);
export const planFailed = defineEvent('plan.failed', 1, z.strictObject({ failure: failureSchema }));
export const planApproved = defineEvent(
  'plan.approved',
  1,
  z.strictObject({ note: z.string().max(2000).optional(), next: nextSchema }),
);
export const planRejected = defineEvent(
  'plan.rejected',
  1,
  z.strictObject({ reason: z.string().max(2000).optional() }),
);
