import { readFile } from 'node:fs/promises';
import type { Envelope } from '#events/envelope.js';
import type { Config } from '../config.js';
import type { Problem } from '../gateway/problem.js';
import { CliError, EXIT } from './exit-codes.js';
import { progress } from './output.js';

/** An HTTP client of one server. */
export interface Client {
  readonly url: string;
  get<T>(path: string, headers?: Record<string, string>): Promise<T>;
  post<T>(path: string, body?: unknown, headers?: Record<string, string>): Promise<T>;
  /** Sends a form: fields and files. */
  postForm<T>(path: string, form: FormData): Promise<T>;
  /** The events of a run from a revision on, until it ends or `signal` says so. */
  events(runId: string, afterRev: number, signal: AbortSignal): AsyncGenerator<Envelope>;
}

/** Finds the server of this home (or SKYAGENT_URL); else boots one for the length of `work`. */
export async function withServer<T>(config: Config, work: (client: Client) => Promise<T>): Promise<T> {
  const url = await findServer(config);
  if (url) return work(createClient(url, config));
  const { serve } = await import('../serve.js');
  const server = await serve(
    { ...config, SKYAGENT_PORT: 0, SKYAGENT_ROLES: ['gateway', 'worker', 'projector'] },
    progress,
  );
  try {
    return await work(createClient(server.url!, config));
  } finally {
    await server.stop();
  }
}

/** The address of a server that answers. A SKYAGENT_URL that does not is an error, not a reason to start another. */
export async function findServer(config: Config): Promise<string | undefined> {
  if (config.SKYAGENT_URL !== undefined) {
    if (await isAlive(config.SKYAGENT_URL)) return config.SKYAGENT_URL.replace(/\/$/, '');
    throw new CliError(EXIT.unreachable, `no server answers at SKYAGENT_URL (${config.SKYAGENT_URL})`);
  }
  const { addressFile } = await import('../address-file.js');
  const announced = await readFile(addressFile(config.home), 'utf8').catch(() => undefined);
  const url = announced && (JSON.parse(announced) as { url: string }).url;
  return url && (await isAlive(url)) ? url : undefined;
}

const isAlive = (url: string): Promise<boolean> =>
  fetch(new URL('/livez', url), { signal: AbortSignal.timeout(2_000) }).then(
    (response) => response.ok,
    () => false,
  );

export function createClient(url: string, config: Pick<Config, 'SKYAGENT_API_KEYS'>): Client {
  const [key] = config.SKYAGENT_API_KEYS;
  const common: Record<string, string> = key ? { authorization: `Bearer ${key}` } : {};
  const send = async (path: string, init: RequestInit): Promise<Response> => {
    const response = await fetch(url + path, init).catch((error: unknown) => {
      if ((error as Error).name === 'AbortError') throw error;
      throw new CliError(EXIT.unreachable, `the server at ${url} does not answer`, { cause: error });
    });
    if (!response.ok) throw await problemError(response);
    return response;
  };
  return {
    url,
    get: async <T>(path: string, headers = {}) =>
      (await send(path, { headers: { ...common, ...headers } })).json() as Promise<T>,
    post: async <T>(path: string, body?: unknown, headers = {}) => {
      const response = await send(path, {
        method: 'POST',
        headers: { ...common, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      return response.json() as Promise<T>;
    },
    postForm: async <T>(path: string, form: FormData) =>
      (await send(path, { method: 'POST', headers: common, body: form })).json() as Promise<T>,
    async *events(runId, afterRev, signal) {
      const headers = { ...common, accept: 'text/event-stream', 'last-event-id': String(afterRev) };
      const response = await send(`/runs/${runId}/events`, { headers, signal });
      yield* serverSentEvents(response);
    },
  };
}

/** The `data` of each server-sent event, as JSON. */
async function* serverSentEvents(response: Response): AsyncGenerator<Envelope> {
  let buffered = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    buffered += chunk;
    const blocks = buffered.split('\n\n');
    buffered = blocks.pop()!;
    for (const block of blocks) {
      const data = block.split('\n').find((line) => line.startsWith('data: '));
      if (data) yield JSON.parse(data.slice(6)) as Envelope;
    }
  }
}

async function problemError(response: Response): Promise<CliError> {
  const problem = (await response.json().catch(() => undefined)) as Problem | undefined;
  if (!problem) return new CliError(EXIT.failed, `the server answered ${response.status}`);
  const errors = (problem.errors ?? []).map(
    ({ pointer, message }) => `\n  ${pointer || '(the whole)'}: ${message}`,
  );
  const what = errors.length > 0 ? `${problem.code}:${errors.join('')}` : problem.detail;
  const hint = problem.hint ? `\n  → ${problem.hint}` : '';
  return new CliError(exitCodeOfProblem(problem), what + hint);
}

function exitCodeOfProblem({ status }: Problem): number {
  if (status >= 500) return EXIT.unreachable;
  return status === 400 || status === 413 || status === 422 ? EXIT.usage : EXIT.failed;
}
