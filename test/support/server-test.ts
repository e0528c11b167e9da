import { parseConfig } from '../../src/config.js';
import { serve } from '../../src/serve.js';
import type { Engine } from '../../src/engine.js';
import { ask, type Answer, type Ask } from './server-http.js';
import { makeHome, type TestHome } from './server-home.js';

/** A whole server in this process, with a home of its own. */
export interface TestServer {
  readonly url: string;
  readonly engine: Engine;
  readonly home: TestHome;
  /** What the server reported, line by line. */
  readonly lines: readonly string[];
  get<T = Record<string, unknown>>(path: string, headers?: Record<string, string>): Promise<Answer<T>>;
  post<T = Record<string, unknown>>(
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer<T>>;
  ask<T = Record<string, unknown>>(path: string, request?: Ask): Promise<Answer<T>>;
  /** How many events the log holds. */
  logged(): Promise<number>;
  stop(): Promise<void>;
}

export async function startServer(settings: Record<string, string> = {}): Promise<TestServer> {
  const home = await makeHome();
  const lines: string[] = [];
  const config = parseConfig({ SKYAGENT_PORT: '0', SKYAGENT_PARTITIONS: '2', ...settings }, home.folder);
  const server = await serve(config, (line) => lines.push(line)).catch(async (error: unknown) => {
    await home.remove();
    throw error;
  });
  const url = server.url!;
  return {
    url,
    engine: server.engine,
    home,
    lines,
    get: (path, headers = {}) => ask(url, path, { headers }),
    post: (path, body, headers = {}) =>
      ask(url, path, {
        method: 'POST',
        headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    ask: (path, request) => ask(url, path, request),
    logged: async () => (await server.engine.log.info()).reduce((sum, { lastSeq }) => sum + lastSeq, 0),
    stop: async () => {
      await server.stop();
      await home.remove();
    },
  };
}

/** What `POST /missions` answers. */
export interface Accepted {
  readonly missionId: string;
  readonly runId: string;
  readonly status: string;
  readonly seq: number;
  readonly links: Record<string, string>;
}

/** What `GET /runs/:id` answers, as far as the tests look at it. */
export interface RunBody {
  readonly id: string;
  readonly status: string;
  readonly rev: number;
  readonly seq: number;
  readonly dryRun: boolean;
  readonly stepsTotal: number;
  readonly stepsFinished: number;
  readonly failure: { kind: string; code: string; message: string; hint: string } | null;
  readonly commands: string[];
  readonly steps: { id: string; state: string; attempt: number }[];
}

/** RFC 9457 problem details with our extensions. */
export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly hint?: string;
  readonly errors?: { pointer: string; message: string }[];
  readonly state?: string;
  readonly legal?: string[];
}

/** Submits a mission that must be accepted. */
export async function submit(
  server: TestServer,
  mission: object,
  headers?: Record<string, string>,
): Promise<Accepted> {
  const answer = await server.post<Accepted>('/missions', mission, headers);
  if (answer.status !== 202) throw new Error(`the mission was not accepted: ${answer.text}`);
  return answer.body;
}

/** The run once it rests. */
export async function rested(
  server: TestServer,
  runId: string,
  headers: Record<string, string> = {},
): Promise<RunBody> {
  return (await server.get<RunBody>(`/runs/${runId}`, { prefer: 'wait=30', ...headers })).body;
}

export const submitAndRest = async (server: TestServer, mission: object): Promise<RunBody> =>
  rested(server, (await submit(server, mission)).runId);

/** Types of the events of a run, in order. */
export async function eventTypes(server: TestServer, runId: string): Promise<string[]> {
  const { body } = await server.get<{ events: { type: string }[] }>(`/runs/${runId}/events?limit=200`);
  return body.events.map(({ type }) => type.replace('skyagent.', ''));
}
