import type { z } from 'zod';
import type { EventDefinition, EventOf } from './define-event.js';
import { envelopeSchema, eventTypeOf, type Envelope } from './envelope.js';
import * as control from './control.events.js';
import * as plan from './plan.events.js';
import * as run from './run.events.js';
import * as step from './step.events.js';
import { upcast } from './upcasters/upcasters.js';

const definitions = [
  run.runCreated,
  run.runStarted,
  run.runRecovered,
  run.runPauseRequested,
  run.runPaused,
  run.runResumed,
  run.runCancelRequested,
  run.runCancelled,
  run.runSucceeded,
  run.runFailed,
  run.runQuarantined,
  run.timerFired,
  run.validationPassed,
  run.validationFailed,
  plan.planProposed,
  plan.planFailed,
  plan.planApproved,
  plan.planRejected,
  step.stepStarted,
  step.stepExpanded,
  step.stepPerformed,
  step.stepSucceeded,
  step.stepFailed,
  step.stepRetried,
  step.stepSuspended,
  step.stepInDoubt,
  step.stepReconciled,
  step.stepApprovalRequested,
  step.stepApproved,
  step.stepRejected,
  step.stepSkipped,
  control.budgetExhausted,
  control.budgetRaised,
  control.controlTaken,
  control.controlRenewed,
  control.controlActed,
  control.controlReleased,
] as const;

/** Every event a run can write, before it has a place in the log. */
export type NewEvent = EventOf<(typeof definitions)[number]>;
export type EventType = NewEvent['type'];
export type EventData<T extends EventType> = Extract<NewEvent, { type: T }>['data'];

/** An event with its place: what machines evolve on and projections fold. */
export type RunEvent = NewEvent & { readonly rev: number; readonly time: string; readonly actor: string };

export const catalog: ReadonlyMap<string, EventDefinition> = new Map(
  definitions.map((definition) => [definition.type, definition]),
);

export type Decoded =
  | { readonly kind: 'known'; readonly event: RunEvent; readonly envelope: Envelope }
  | {
      readonly kind: 'unknown-type';
      readonly type: string;
      readonly schemaversion: number;
      readonly envelope: Envelope;
    }
  | { readonly kind: 'invalid'; readonly issues: readonly z.core.$ZodIssue[] };

/**
 * Reads a stored body. `unknown-type` is an event of a type, or of a newer version, this code does not know: the run is
 * then read-only here, never guessed at. `invalid` is a body that is not an event at all.
 */
export function decode(body: unknown): Decoded {
  const parsed = envelopeSchema.safeParse(body);
  if (!parsed.success) return { kind: 'invalid', issues: parsed.error.issues };
  // As it was stored, with attributes this code has no name for: the hash covers them too.
  const envelope = body as Envelope;
  const type = eventTypeOf(envelope);
  const definition = catalog.get(type);
  if (!definition || envelope.schemaversion > definition.version) {
    return { kind: 'unknown-type', type, schemaversion: envelope.schemaversion, envelope };
  }
  const data = definition.schema.safeParse(upcast(type, envelope.schemaversion, envelope.data));
  if (!data.success) return { kind: 'invalid', issues: data.error.issues };
  return { kind: 'known', event: eventOf(type, envelope, data.data), envelope };
}

/** An event with its place. Its data has passed the schema of its type; only the compiler cannot know that. */
export const eventOf = (type: string, { rev, time, actor }: Envelope, data: unknown): RunEvent =>
  ({ type, data, rev, time, actor }) as RunEvent;
