import type { z } from 'zod';

/** One event type as one value: its name, the version of its data, and the schema the types derive from. */
export interface EventDefinition<Type extends string = string, Schema extends z.ZodType = z.ZodType> {
  readonly type: Type;
  readonly version: number;
  readonly schema: Schema;
}

/** The event a definition describes, before it has a place in a log: `{ type, data }`. */
export type EventOf<D> =
  D extends EventDefinition<infer Type, infer Schema>
    ? { readonly type: Type; readonly data: z.infer<Schema> }
    : never;

/** Declares an event type. `version` rises whenever the shape of `data` changes; the type name never carries it. */
export function defineEvent<const Type extends string, Schema extends z.ZodType>(
  type: Type,
  version: number,
  schema: Schema,
): EventDefinition<Type, Schema> {
  return { type, version, schema };
}

/** The `dataschema` URI of an event's data, e.g. `urn:skyagentos:schema:step.succeeded:1`. */
export const dataSchemaOf = (definition: EventDefinition): string =>
  `urn:skyagentos:schema:${definition.type}:${definition.version}`;
