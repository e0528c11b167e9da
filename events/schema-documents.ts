import { z } from 'zod';
import { catalog } from './catalog.js';
import {
  desktopAnswerSchema,
  desktopCommandSchema,
  desktopControlCommandSchema,
  desktopInfoSchema,
} from './desktop.js';
import { dataSchemaOf, type EventDefinition } from './define-event.js';
import { CLOUDEVENTS_CONTENT_TYPE, envelopeSchema, TYPE_PREFIX } from './envelope.js';
import { missionRequestSchema } from './mission.js';
import { planSchema } from './plan.js';
import { STREAM_PREFIX, TRACES_STREAM, typeSubject } from './subjects.js';
import { traceSchema } from './trace.js';

type JsonObject = Record<string, unknown>;

/** One JSON Schema (draft 2020-12) a file: the data of every event, the envelope, and what clients send. */
export function jsonSchemas(): Record<string, JsonObject> {
  const events = [...catalog.values()].map((definition): [string, JsonObject] => [
    `${definition.type}.v${definition.version}.json`,
    document(definition.schema, dataSchemaOf(definition)),
  ]);
  return {
    ...Object.fromEntries(events),
    'envelope.json': document(envelopeSchema, 'urn:skyagentos:schema:envelope'),
    'mission-request.json': document(missionRequestSchema, 'urn:skyagentos:schema:mission-request'),
    'plan.json': document(planSchema, 'urn:skyagentos:schema:plan'),
    'desktop-command.json': document(desktopCommandSchema, 'urn:skyagentos:schema:desktop-command'),
    'desktop-answer.json': document(desktopAnswerSchema, 'urn:skyagentos:schema:desktop-answer'),
    'desktop-control.json': document(desktopControlCommandSchema, 'urn:skyagentos:schema:desktop-control'),
    'desktop-info.json': document(desktopInfoSchema, 'urn:skyagentos:schema:desktop-info'),
  };
}

/** The event log as AsyncAPI 3.0.0, from the view of SkyAgentOS: it sends one message a transition. */
export function asyncApiDocument(): JsonObject {
  const definitions = [...catalog.values()];
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'SkyAgentOS event log',
      version: '1.0.0',
      description:
        'Every transition of every run, as one CloudEvents 1.0 message on NATS JetStream. Subscribe to ' +
        '`skyagent.runs.*.<runId>.>` for one run, or to `skyagent.runs.*.*.<event type>` for one type of event.',
      license: { name: 'MIT' },
    },
    defaultContentType: CLOUDEVENTS_CONTENT_TYPE,
    servers: {
      nats: {
        host: 'localhost:4222',
        protocol: 'nats',
        description: 'The embedded nats-server, or the cluster that NATS_URL names.',
      },
    },
    channels: {
      ...Object.fromEntries(definitions.map((definition) => [definition.type, channel(definition)])),
      [TRACE]: traceChannel(),
    },
    operations: {
      ...Object.fromEntries(
        definitions.map((definition) => [`send${pascal(definition.type)}`, send(definition.type)]),
      ),
      sendTrace: send(TRACE),
    },
    components: {
      messages: {
        ...Object.fromEntries(definitions.map((definition) => [definition.type, message(definition)])),
        [TRACE]: traceMessage(),
      },
    },
  };
}

/** The exact text of every generated file, by file name. */
export function renderDocuments(): Map<string, string> {
  const documents = { ...jsonSchemas(), 'asyncapi.json': asyncApiDocument() };
  return new Map(
    Object.entries(documents).map(([name, content]) => [name, `${JSON.stringify(content, null, 2)}\n`]),
  );
}

const document = (schema: z.ZodType, $id: string): JsonObject => {
  const { $schema, ...rest } = render(schema, 'draft-2020-12');
  return { $schema, $id, ...rest };
};

function channel({ type }: EventDefinition): JsonObject {
  return {
    address: typeSubject(type).replace('*', '{partition}').replace('*', '{runId}'),
    parameters: {
      partition: {
        description: 'The partition the run lives in, for good: a hash of its id.',
        examples: ['3'],
      },
      runId: { description: 'The run.', examples: ['run_01JD9Z3V8QH5T2M6K4X7R0WBCE'] },
    },
    messages: { [type]: { $ref: `#/components/messages/${type}` } },
    'x-jetstream': { streams: `${STREAM_PREFIX}{partition}`, order: 'within a run' },
  };
}

const TRACE = 'trace';

const traceChannel = (): JsonObject => ({
  address: 'skyagent.traces.{runId}.{stepId}',
  parameters: {
    runId: { description: 'The run.', examples: ['run_01JD9Z3V8QH5T2M6K4X7R0WBCE'] },
    stepId: {
      description: 'The step; the dot of a child of forEach is an underscore here.',
      examples: ['open'],
    },
  },
  messages: { [TRACE]: { $ref: `#/components/messages/${TRACE}` } },
  'x-jetstream': { streams: TRACES_STREAM, order: 'within a step', kept: 'a week' },
});

function traceMessage(): JsonObject {
  const { $schema: _, ...rest } = render(traceSchema, 'draft-7');
  return { name: TRACE, title: 'one action of a step', contentType: 'application/json', payload: rest };
}

const send = (type: string): JsonObject => ({
  action: 'send',
  channel: { $ref: `#/channels/${type}` },
  messages: [{ $ref: `#/channels/${type}/messages/${type}` }],
});

function message(definition: EventDefinition): JsonObject {
  const { type, version, schema } = definition;
  const payload = envelopeSchema.extend({
    type: z.literal(`${TYPE_PREFIX}${type}`),
    dataschema: z.literal(dataSchemaOf(definition)),
    schemaversion: z.literal(version),
    data: schema,
  });
  // AsyncAPI's own schema language is a superset of draft 07, and a payload names no dialect of its own.
  const { $schema: _, ...rest } = render(payload, 'draft-7');
  return { name: type, title: type, contentType: CLOUDEVENTS_CONTENT_TYPE, headers: HEADERS, payload: rest };
}

const HEADERS = {
  type: 'object',
  required: ['Content-Type'],
  properties: {
    'Content-Type': { type: 'string', const: CLOUDEVENTS_CONTENT_TYPE },
    traceparent: { type: 'string', description: 'W3C trace context of the transition.' },
  },
};

/** `io: 'input'`: a document accepts what `decode` and the HTTP API accept, where a default stands in for a value. */
function render(schema: z.ZodType, target: 'draft-7' | 'draft-2020-12'): JsonObject {
  const { $defs, definitions, ...rest } = z.toJSONSchema(schema, { io: 'input', target }) as JsonObject;
  for (const definition of Object.values({ ...(($defs ?? definitions) as object) }))
    mustBeAnyJson(definition);
  return JSON.parse(JSON.stringify(rest), simplify) as JsonObject;
}

/**
 * The only recursive shape here is `z.json()`, any JSON value, which JSON Schema says as `{}`; inlined, it leaves no
 * `$ref` that would point somewhere else once a schema is part of the AsyncAPI document.
 */
function simplify(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('$ref' in value) return {};
  // zod's own format name, which validators in strict mode refuse; the pattern beside it says the same.
  if ('format' in value && value.format === 'starts_with') delete value.format;
  return value;
}

function mustBeAnyJson(definition: unknown): void {
  const { anyOf } = definition as { anyOf?: { type?: string }[] };
  const types = anyOf?.map((option) => option.type).join();
  if (types !== 'string,number,boolean,null,array,object') {
    throw new RangeError(
      `a recursive schema that is not z.json() needs a $ref of its own: ${JSON.stringify(definition)}`,
    );
  }
}

const pascal = (type: string): string =>
  type.replace(/(?:^|[.-])(.)/g, (_, letter: string) => letter.toUpperCase());
