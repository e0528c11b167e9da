import { z } from 'zod';
import { digestSchema, instantSchema, jsonSchema } from './shapes.js';

export const TYPE_PREFIX = 'skyagent.';
/** `prevhash` of a run's first event. */
export const FIRST_PREVHASH = '0'.repeat(64);
export const CLOUDEVENTS_CONTENT_TYPE = 'application/cloudevents+json';

/** CloudEvents 1.0, structured mode, with the extension attributes of SkyAgentOS. */
export const envelopeSchema = z.object({
  specversion: z.literal('1.0'),
  id: z.string().regex(/^.+:\d+$/),
  source: z.string().startsWith('/runs/'),
  type: z.string().startsWith(TYPE_PREFIX),
  subject: z.string().min(1),
  time: instantSchema,
  datacontenttype: z.literal('application/json'),
  dataschema: z.string(),
  rev: z.int().min(1),
  schemaversion: z.int().min(1),
  machine: z.string(),
  statefrom: z.string(),
  stateto: z.string(),
  actor: z.string().min(1),
  causationid: z.string(),
  simulated: z.boolean().optional(),
  prevhash: digestSchema,
  hash: digestSchema,
  data: z.record(z.string(), jsonSchema),
});
export type Envelope = z.infer<typeof envelopeSchema>;
/** An envelope before its hash is known: what the hash is taken of (RFC 8785 canonical JSON, SHA-256). */
export type UnhashedEnvelope = Omit<Envelope, 'hash'>;

export const eventId = (runId: string, rev: number): string => `${runId}:${rev}`;
/** The event type without the CloudEvents prefix, e.g. `step.succeeded`. */
export const eventTypeOf = (envelope: Pick<Envelope, 'type'>): string =>
  envelope.type.slice(TYPE_PREFIX.length);
