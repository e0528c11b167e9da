import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { metadataSchema } from '#events/mission.js';
import { planSchema, type Plan } from '#events/plan.js';
import { jsonSchema, type Json } from '#events/shapes.js';
import { fail } from '../failures/failures.js';
import { bestIssues } from './issues.js';

const entrySchema = z.strictObject({
  id: z.string().regex(/^[a-z][a-z0-9_]*$/),
  title: z.string(),
  description: z.string(),
  folder: z.string(),
  /** JSON Schema (2020-12) of `inputs`. */
  inputs: z.record(z.string(), jsonSchema),
  /** What the template asks for besides: a mission's own metadata come before. */
  metadata: metadataSchema.optional(),
  /** Inputs to try the template with; a dry run uses them for what is not given. */
  sample: z.record(z.string(), jsonSchema),
});
const indexSchema = z.strictObject({ templates: z.array(entrySchema) });

/** A mission template: what it needs, and the plan it brings. */
export interface Template extends z.infer<typeof entrySchema> {
  readonly plan: Plan;
}

export interface Templates {
  list(): readonly Template[];
  /** The template, or a StepFailedError that lists the ones there are. */
  get(id: string): Template;
}

/** A template file that cannot be used. */
export class TemplateError extends Error {
  readonly code = 'bad-template';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TemplateError';
  }
}

/** Reads `missions.json` and each template's `plan.json`. */
export function loadTemplates(folder: string): Templates {
  const index = parse(join(folder, 'missions.json'), indexSchema);
  const templates = index.templates.map((entry): Template => ({
    ...entry,
    plan: parse(join(folder, entry.folder, 'plan.json'), planSchema),
  }));
  return {
    list: () => templates,
    get: (id) => {
      const found = templates.find((template) => template.id === id);
      if (found) return found;
      const known = templates.map((template) => template.id).join(', ');
      throw fail('unknown-template', `there is no template "${id}"; there are: ${known}`);
    },
  };
}

function parse<S extends z.ZodType>(file: string, schema: S): z.infer<S> {
  const parsed = schema.safeParse(readJson(file));
  if (parsed.success) return parsed.data;
  const [first] = bestIssues(parsed.error.issues);
  throw new TemplateError(`${file}${first?.pointer ?? ''}: ${first?.message ?? 'not valid'}`);
}

function readJson(file: string): Json {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Json;
  } catch (error) {
    throw new TemplateError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
