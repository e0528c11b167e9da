import { z } from 'zod';

/** Any JSON value. */
export const jsonSchema = z.json();
export type Json = z.infer<typeof jsonSchema>;

/** A SHA-256 digest in lower-case hexadecimal. */
export const digestSchema = z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 digest in hexadecimal');

/** An instant, RFC 3339 in UTC. */
export const instantSchema = z.iso.datetime();

export const failureKindSchema = z.enum([
  'input',
  'model',
  'runtime',
  'site',
  'policy',
  'budget',
  'human',
  'validation',
  'timeout',
  'infrastructure',
]);

/** What proves (or refutes) an outcome: digests, page facts, check results; never the actor's own word. */
export const evidenceSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('file'), path: z.string(), digest: digestSchema, bytes: z.int().min(0) }),
  z.strictObject({
    kind: z.literal('page'),
    url: z.string(),
    status: z.int().optional(),
    networkError: z.string().optional(),
  }),
  z.strictObject({
    kind: z.literal('request'),
    method: z.string(),
    url: z.string(),
    status: z.int().optional(),
    networkError: z.string().optional(),
  }),
  z.strictObject({
    kind: z.literal('check'),
    check: z.string(),
    passed: z.boolean(),
    detail: z.string().optional(),
  }),
]);
export type Evidence = z.infer<typeof evidenceSchema>;

/** Why something did not work, in words a person can act on. `code` comes from one pinned table. */
export const failureSchema = z.strictObject({
  kind: failureKindSchema,
  code: z.string(),
  message: z.string(),
  cause: z.string().optional(),
  evidence: z.array(evidenceSchema).optional(),
  hint: z.string(),
});
export type Failure = z.infer<typeof failureSchema>;

/** A file a step left behind, named by what it is and by its SHA-256. `path` is relative to the run's folder. */
export const artifactSchema = z.strictObject({
  path: z.string(),
  type: z.enum([
    'screenshot',
    'har',
    'video',
    'download',
    'text',
    'table',
    'report',
    'output',
    'console',
    'pdf',
    'snapshot',
  ]),
  mediaType: z.string(),
  digest: digestSchema,
  bytes: z.int().min(0),
});
export type Artifact = z.infer<typeof artifactSchema>;

/**
 * What a step returned. `inline` for small values of our own making; `path` names the JSON artifact otherwise, and
 * always when the value holds page or file content, which never enters the log.
 */
export const outputSchema = z.strictObject({
  digest: digestSchema,
  bytes: z.int().min(0),
  inline: jsonSchema.optional(),
  path: z.string().optional(),
});
export type Output = z.infer<typeof outputSchema>;

/** What was spent on models: tokens in and out together, and their price. */
export const usageSchema = z.strictObject({ tokens: z.int().min(0), costUsd: z.number().min(0) });
export type Usage = z.infer<typeof usageSchema>;

/** A string holding `{{ … }}`: accepted wherever a value is, and checked again once it is resolved. */
export const templateStringSchema = z.string().regex(/\{\{[\s\S]*\}\}/, 'expected a {{ … }} expression');
export const templated = <S extends z.ZodType>(schema: S) => z.union([schema, templateStringSchema]);
