import { z } from 'zod';
import { missionRequestSchema } from '#events/mission.js';
import { commandBodies, derivingBodies, liveBody, takeoverBodies } from '#events/run.commands.js';

type Operation = Record<string, unknown>;

const problemContent = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };
const answer = (description: string, type = 'application/json') => ({
  description,
  content: { [type]: { schema: {} } },
});
const problem = (description: string) => ({ description, content: problemContent });
const runId = { name: 'id', in: 'path', required: true, schema: { type: 'string' } };
const query = (name: string, description: string) => ({
  name,
  in: 'query',
  description,
  schema: { type: 'string' },
});
const header = (name: string, description: string) => ({
  name,
  in: 'header',
  description,
  schema: { type: 'string' },
});
const jsonBody = (schema: z.ZodType, required: boolean) => ({
  required,
  content: {
    'application/json': { schema: z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) },
  },
});

const read = (summary: string, ...parameters: object[]): Operation => ({
  summary,
  parameters,
  responses: { 200: answer('the answer'), 404: problem('no such thing') },
});

/** A command with a path or an answer of its own. */
const special = (
  summary: string,
  schema: z.ZodType,
  required = false,
  ...parameters: object[]
): Operation => ({
  summary,
  parameters,
  requestBody: jsonBody(schema, required),
  responses: {
    202: answer('it is durably in the log'),
    400: problem('a query parameter is not valid'),
    404: problem('no such run'),
    409: problem('not legal in this state, or somebody else holds the controls'),
    422: problem('the body is not valid'),
  },
});

const command = (name: keyof typeof commandBodies): Operation => ({
  summary: `The command “${name}”`,
  parameters: [runId, header('If-Match', 'only at this revision, e.g. "r12"')],
  requestBody: jsonBody(commandBodies[name], false),
  responses: {
    202: answer('the command is durably in the log'),
    404: problem('no such run'),
    409: problem('not legal in this state; `state` and `legal` say what is'),
    412: problem('the run is at another revision'),
    422: problem('the body is not valid'),
  },
});

const desktopCommand = (summary: string): Operation => ({
  summary,
  parameters: [{ name: 'name', in: 'path', required: true, schema: { type: 'string' } }],
  responses: { 200: answer('who has the controls now'), 404: problem('no such desktop') },
});

const controlPaths = {
  '/desktops': { get: read('The desktops that are connected, and who has their controls') },
  '/desktops/{name}/stop': {
    post: desktopCommand('The kill switch: nothing acts until the desktop is handed back'),
  },
  '/desktops/{name}/handback': { post: desktopCommand('A person gives the desktop back') },

  '/hooks/skyvern': {
    post: {
      summary: 'Where a Skyvern tells that a run has ended, signed with its key',
      parameters: [header('x-skyvern-signature', 'HMAC-SHA256 of the body, hexadecimal')],
      responses: { 204: { description: 'heard' }, 401: problem('not signed by the Skyvern of this server') },
    },
  },
  '/runs/pause': {
    post: special(
      'Pause many runs',
      commandBodies.pause,
      false,
      query('status', 'comma-separated'),
      query('template', 'template id'),
    ),
  },
  '/runs/{id}/retry': {
    post: special('A new run of the same mission', derivingBodies.retry, false, runId),
  },
  '/runs/{id}/fork': {
    post: special('A new run that shares the history up to a revision', derivingBodies.fork, true, runId),
  },
  '/runs/{id}/takeover': {
    post: special('Pause the run and take the controls', takeoverBodies.takeover, false, runId),
  },
  '/runs/{id}/takeover/heartbeat': {
    post: special('Prolong the lease on the controls', takeoverBodies.heartbeat, true, runId),
  },
  '/runs/{id}/takeover/actions': {
    post: special('Act through the drivers of the run', takeoverBodies.actions, true, runId),
  },
  '/runs/{id}/handback': {
    post: special('Give the controls back to the run', takeoverBodies.handback, true, runId),
  },
  '/runs/{id}/live': {
    post: {
      summary: 'A ticket for the live view of the run; with a lease, one for the controls too',
      parameters: [runId],
      requestBody: jsonBody(liveBody, false),
      responses: { 201: answer('good once, for a minute'), 409: problem('the lease is not in force') },
    },
    get: {
      summary: 'The page of a ticket; it opens the WebSocket /runs/{id}/live/socket?ticket=…',
      parameters: [runId, query('ticket', 'as POST gave it')],
      responses: { 200: answer('the page', 'text/html'), 401: problem('no ticket that is still good') },
    },
  },
};

/** The HTTP interface as OpenAPI 3.1, from the schemas that check the requests. */
export const openApiDocument = () => ({
  openapi: '3.1.0',
  info: { title: 'SkyAgentOS', version: '0.1.0', description: 'Missions, runs and their events.' },
  paths: {
    '/missions': {
      post: {
        summary: 'Submit a mission',
        parameters: [header('Idempotency-Key', 'the same key and body give the same run')],
        requestBody: jsonBody(missionRequestSchema, true),
        responses: { 202: answer('the run is durably in the log'), 422: problem('the mission is not valid') },
      },
      get: read('List missions', query('limit', '1 to 200'), query('cursor', '`next` of the page before')),
    },
    '/runs': {
      get: read(
        'List runs, the newest first',
        query('status', 'comma-separated'),
        query('template', 'template id'),
        query('q', 'words in the title'),
        query('limit', '1 to 200'),
        query('cursor', '`next` of the page before'),
      ),
    },
    '/runs/{id}': {
      get: read(
        'One run',
        runId,
        header('Prefer', 'wait=N: answer when the run rests, after N seconds at most'),
        query('minSeq', 'wait for this sequence of the run’s partition'),
      ),
    },
    '/runs/{id}/steps': { get: read('The steps of a run', runId) },
    '/runs/{id}/traces': {
      get: read(
        'Single actions of the run’s steps, as far back as they are kept',
        runId,
        query('step', 'of one step'),
        query('after', '`next` of the page before'),
        query('limit', '1 to 200'),
      ),
    },
    '/runs/{id}/events': {
      get: read(
        'The events of a run: JSON, or server-sent events with Accept: text/event-stream',
        runId,
        query('after', 'revision'),
        header('Last-Event-ID', 'revision seen last'),
      ),
    },
    '/runs/{id}/artifacts': { get: read('The artifacts of a run', runId) },
    '/runs/{id}/files': { get: read('The files of a run', runId) },
    '/runs/{id}/files/{path}': {
      get: read('One file', runId, { name: 'path', in: 'path', required: true, schema: { type: 'string' } }),
    },
    '/runs/{id}/machine': { get: read('The run’s state machine', runId) },
    ...Object.fromEntries(
      (Object.keys(commandBodies) as (keyof typeof commandBodies)[]).map((name) => [
        `/runs/{id}/${name}`,
        { post: command(name) },
      ]),
    ),
    ...controlPaths,
    '/templates': { get: read('The mission templates') },
    '/queue': { get: read('Runs that wait or have an owner') },
    '/livez': { get: read('The process is alive') },
    '/readyz': { get: read('Missions are accepted') },
    '/openapi.json': { get: read('This document') },
    '/asyncapi.json': { get: read('The events on NATS') },
  },
  components: {
    securitySchemes: { key: { type: 'http', scheme: 'bearer' } },
    schemas: {
      Problem: {
        type: 'object',
        required: ['type', 'title', 'status', 'detail', 'code'],
        properties: {
          type: { type: 'string' },
          title: { type: 'string' },
          status: { type: 'integer' },
          detail: { type: 'string' },
          code: { type: 'string' },
          hint: { type: 'string' },
          errors: {
            type: 'array',
            items: {
              type: 'object',
              properties: { pointer: { type: 'string' }, message: { type: 'string' } },
            },
          },
          state: { type: 'string' },
          legal: { type: 'array', items: { type: 'string' } },
        },
      },
    },
  },
});
