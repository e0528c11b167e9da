import { z } from 'zod';
import { limitsSchema, type Limits } from './mission.js';
import { planSchema } from './plan.js';
import { digestSchema } from './shapes.js';

const reason = z.string().max(2000).optional();
const note = z.string().max(10_000).optional();
const stepId = z.string().min(1).max(200);

/** What `POST /runs/:id/…` takes, by command: each becomes one event of the run. */
export const commandBodies = {
  pause: z.strictObject({ reason }),
  resume: z.strictObject({ note, replan: z.boolean().optional() }),
  cancel: z.strictObject({ reason }),
  approve: z.strictObject({
    stepId: stepId.optional(),
    /** What the person has looked at; the approval is refused when the step was asked about with other arguments. */
    argumentHash: digestSchema.optional(),
    note: z.string().max(2000).optional(),
  }),
  reject: z.strictObject({ stepId: stepId.optional(), reason }),
  skip: z.strictObject({ stepId, reason }),
  budget: z.strictObject({ limits: limitsSchema }),
  settle: z.strictObject({ stepId, outcome: z.enum(['confirmed', 'refuted']) }),
} as const;

/** Commands that leave the run as it is and make a new run of the same mission out of it. */
export const derivingBodies = {
  retry: z.strictObject({ fromStep: stepId.optional() }),
  fork: z.strictObject({
    atRev: z.int().min(1),
    plan: planSchema.optional(),
    inputs: z.record(z.string(), z.json()).optional(),
  }),
} as const;

/** What `POST /runs/:id/takeover…` and `/handback` take. */
export const takeoverBodies = {
  takeover: z.strictObject({ reason, ttlMs: z.int().min(1000).max(3_600_000).optional() }),
  heartbeat: z.strictObject({ lease: z.string(), ttlMs: z.int().min(1000).max(3_600_000).optional() }),
  actions: z.strictObject({
    lease: z.string(),
    do: z.string(),
    with: z.json(),
    /** Typed text is recorded as it is, and not by its length alone. */
    recordText: z.boolean().optional(),
  }),
  handback: z.strictObject({ lease: z.string(), note, replan: z.boolean().optional() }),
} as const;

/** What `POST /runs/:id/live` takes: with the lease of a takeover, whoever comes with the ticket may act, and not only look. */
export const liveBody = z.strictObject({ lease: z.string().min(1).max(100).optional() });

type Optional<T> = T | undefined;
export type PersonCommand =
  | { readonly kind: 'PauseRun'; readonly reason?: Optional<string> }
  | { readonly kind: 'ResumeRun'; readonly note?: Optional<string>; readonly replan?: Optional<boolean> }
  | { readonly kind: 'CancelRun'; readonly reason?: Optional<string> }
  | {
      readonly kind: 'Approve';
      readonly stepId?: Optional<string>;
      readonly argumentHash?: Optional<string>;
      readonly note?: Optional<string>;
    }
  | { readonly kind: 'Reject'; readonly stepId?: Optional<string>; readonly reason?: Optional<string> }
  | { readonly kind: 'SkipStep'; readonly stepId: string; readonly reason?: Optional<string> }
  | { readonly kind: 'RaiseBudget'; readonly limits: Limits }
  | { readonly kind: 'SettleDoubt'; readonly stepId: string; readonly outcome: 'confirmed' | 'refuted' }
  | ControlCommand;

/** What the holder of a control lease does; times are RFC 3339. */
export type ControlCommand =
  | {
      readonly kind: 'TakeControl';
      readonly lease: string;
      readonly holder: string;
      readonly expiresAt: string;
      readonly reason?: Optional<string>;
    }
  | { readonly kind: 'RenewControl'; readonly lease: string; readonly expiresAt: string }
  | { readonly kind: 'ExpireControl'; readonly lease: string }
  | {
      readonly kind: 'HandBack';
      readonly lease: string;
      readonly note?: Optional<string>;
      readonly replan?: Optional<boolean>;
    };

/** The names people use for commands, in URLs and in `commands` of a run. */
export type EventCommandName = keyof typeof commandBodies;
export type DerivingCommandName = keyof typeof derivingBodies;
export type CommandName = EventCommandName | DerivingCommandName | 'takeover' | 'handback';
