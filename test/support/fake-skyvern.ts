import { createHmac, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

/** The published OpenAPI document of Skyvern, as far as its tasks and browser sessions go. */
const DOCUMENT_FILE = fileURLToPath(new URL('../fixtures/skyvern/openapi.json', import.meta.url));
type Schema = Record<string, unknown>;
interface Operation {
  readonly requestBody?: { content: { 'application/json': { schema: Schema } } };
  readonly responses: Record<string, { content?: { 'application/json'?: { schema: Schema } } }>;
}
interface OpenApi {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: object;
}
const document = JSON.parse(readFileSync(DOCUMENT_FILE, 'utf8')) as OpenApi;
const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema(document, 'skyvern');

const refsTo = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value).replaceAll('"#/components/', '"skyvern#/components/'));
const compiled = new Map<string, ValidateFunction>();
function validator(key: string, schema: Schema): ValidateFunction {
  const known = compiled.get(key) ?? ajv.compile(refsTo(schema) as Schema);
  compiled.set(key, known);
  return known;
}

export interface FakeRun {
  readonly id: string;
  readonly request: Record<string, unknown>;
  /** Statuses it answers one after the other; the last one stays. */
  statuses: string[];
  more: Record<string, unknown>;
}

/** A Skyvern that answers as its OpenAPI document says, and takes nothing that it does not allow. */
export interface FakeSkyvern {
  readonly url: string;
  readonly runs: FakeRun[];
  readonly calls: { method: string; path: string; key: string | undefined }[];
  /** What the next submissions come to. */
  plan: { statuses: string[]; more?: Record<string, unknown> };
  /** What becomes of the next calls: a status to answer with, or a reply that is lost after the call was taken. */
  readonly trouble: ('lost' | 'unheard' | number)[];
  /** How long an answer takes after the call was taken. */
  readonly slow: { ms: number };
  readonly files: Record<string, Buffer>;
  readonly sessions: Map<string, string>;
  webhook(url: string, run: FakeRun, key?: string): Promise<number>;
  /** Throws when a question or an answer was not as the document says. */
  close(): Promise<void>;
}

export async function startSkyvern({
  key,
  path = '/v1',
}: { key?: string; path?: string } = {}): Promise<FakeSkyvern> {
  const violations: string[] = [];
  const now = () => new Date().toISOString().slice(0, -1);
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;

  const bodyOf = (run: FakeRun, status: string) => ({
    run_id: run.id,
    status,
    run_type: 'task_v1',
    output: null,
    created_at: now(),
    modified_at: now(),
    app_url: `${url}/app/${run.id}`,
    ...(status === 'completed' || run.more.always ? run.more : {}),
    ...(status !== 'completed' && { failure_reason: run.more.failure_reason ?? null }),
  });

  const routes: [
    string,
    string,
    RegExp,
    (match: string[], body: Record<string, unknown>, query: URLSearchParams) => unknown,
  ][] = [
    [
      'post',
      '/v1/run/tasks',
      /^\/run\/tasks$/,
      (_, body) => {
        const run: FakeRun = {
          id: `tsk_${randomUUID()}`,
          request: body,
          statuses: [...fake.plan.statuses],
          more: fake.plan.more ?? {},
        };
        fake.runs.push(run);
        return bodyOf(run, 'created');
      },
    ],
    [
      'get',
      '/v1/runs',
      /^\/runs$/,
      (_m, _b, query) =>
        fake.runs
          .filter(({ request }) =>
            String(request.title)
              .toLowerCase()
              .includes((query.get('search_key') ?? '').toLowerCase()),
          )
          .map((run) => ({
            task_run_id: `tr_${run.id}`,
            run_id: run.id,
            task_run_type: 'task_v1',
            status: run.statuses[0],
            title: run.request.title,
            created_at: now(),
          })),
    ],
    [
      'get',
      '/v1/runs/{run_id}',
      /^\/runs\/([^/]+)$/,
      ([, id]) => {
        const run = fake.runs.find((each) => each.id === id);
        if (!run) return undefined;
        const status = run.statuses.length > 1 ? run.statuses.shift()! : run.statuses[0]!;
        return bodyOf(run, status);
      },
    ],
    [
      'post',
      '/v1/runs/{run_id}/cancel',
      /^\/runs\/([^/]+)\/cancel$/,
      ([, id]) => {
        const run = fake.runs.find((each) => each.id === id);
        if (run) run.statuses = ['canceled'];
        return run ? null : undefined;
      },
    ],
    [
      'post',
      '/v1/browser_sessions',
      /^\/browser_sessions$/,
      () => {
        const id = `pbs_${randomUUID()}`;
        fake.sessions.set(id, 'running');
        return sessionOf(id);
      },
    ],
    [
      'get',
      '/v1/browser_sessions/{browser_session_id}',
      /^\/browser_sessions\/([^/]+)$/,
      ([, id]) => sessionOf(id!),
    ],
    [
      'post',
      '/v1/browser_sessions/{browser_session_id}/close',
      /^\/browser_sessions\/([^/]+)\/close$/,
      ([, id]) => {
        fake.sessions.set(id!, 'completed');
        return {};
      },
    ],
  ];
  const sessionOf = (id: string) =>
    fake.sessions.has(id)
      ? {
          browser_session_id: id,
          organization_id: 'o_1',
          status: fake.sessions.get(id),
          app_url: `${url}/app/${id}`,
          created_at: now(),
          modified_at: now(),
        }
      : undefined;

  const fake: FakeSkyvern = {
    url,
    runs: [],
    calls: [],
    plan: { statuses: ['queued', 'running', 'completed'] },
    trouble: [],
    slow: { ms: 0 },
    files: {},
    sessions: new Map(),
    webhook: async (target, run, secret = key) => {
      const body = JSON.stringify({ run_id: run.id, status: run.statuses[0] });
      const signature = createHmac('sha256', secret ?? '')
        .update(body)
        .digest('hex');
      const answer = await fetch(target, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', 'x-skyvern-signature': signature },
      });
      return answer.status;
    },
    close: async () => {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      if (violations.length > 0) throw new Error(`not as the document says: ${violations.join('; ')}`);
    },
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = new URL(request.url!, url);
    const sent = request.headers['x-api-key'];
    const call = {
      method: request.method!,
      path: asked.pathname,
      key: typeof sent === 'string' ? sent : undefined,
    };
    fake.calls.push(call);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const file = fake.files[asked.pathname];
    if (file) return void response.end(file);
    const trouble = fake.trouble.shift();
    if (trouble === 'unheard') return void request.socket.destroy();
    if (typeof trouble === 'number')
      return answer(response, trouble, trouble === 422 ? INVALID : { detail: 'trouble' });
    if (key !== undefined && call.key !== key)
      return answer(response, 403, { detail: 'Invalid credentials' });
    const [status, result] = handle(call, asked, Buffer.concat(chunks).toString());
    if (fake.slow.ms > 0) await sleep(fake.slow.ms);
    if (trouble === 'lost') return void request.socket.destroy();
    answer(response, status, result);
  }

  /** By the document: only what it has is answered, and only as it says. */
  function handle(call: { method: string; path: string }, asked: URL, text: string): [number, unknown] {
    const tail = call.path.startsWith(`${path}/`) ? call.path.slice(path.length) : '/none';
    const route = routes.find(([verb, , form]) => verb.toUpperCase() === call.method && form.test(tail));
    if (!route) return [404, { detail: 'Not Found' }];
    const [method, name, pattern, act] = route;
    const operation = document.paths[name]![method]!;
    const body = readBody(text);
    const wanted = operation.requestBody?.content['application/json'].schema;
    if (wanted && !conforms(`${method} ${name} request`, wanted, body, true)) return [422, INVALID];
    const result = act(Array.from(pattern.exec(tail) ?? []), body, asked.searchParams);
    if (result === undefined) return [404, { detail: 'Run not found' }];
    const promised = operation.responses['200']?.content?.['application/json']?.schema;
    if (promised) conforms(`${method} ${name} answer`, promised, result, false);
    return [200, result];
  }

  function conforms(what: string, schema: Schema, value: unknown, closed: boolean): boolean {
    const validate = validator(what, schema);
    const known = new Set(Object.keys(propertiesOf(schema)));
    const extra =
      closed && typeof value === 'object' && value
        ? Object.keys(value).filter((name) => !known.has(name))
        : [];
    const fits = validate(value);
    if (!fits) violations.push(`${what}: ${ajv.errorsText(validate.errors)}`);
    for (const name of extra) violations.push(`${what}: no such field ${name}`);
    return fits && extra.length === 0;
  }

  return fake;
}

function propertiesOf(schema: Schema): object {
  const { $ref, properties } = schema as { $ref?: string; properties?: object };
  if (!$ref) return properties ?? {};
  const name = $ref.split('/').at(-1)!;
  const { schemas } = document.components as { schemas: Record<string, Schema> };
  return propertiesOf(schemas[name]!);
}

const readBody = (text: string): Record<string, unknown> =>
  text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);

const INVALID = { detail: [{ loc: ['body', 'prompt'], msg: 'Field required', type: 'missing' }] };
function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
