import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  createMcpHandler,
  createRequestStateCodec,
  isLegacyRequest,
  type McpServer,
} from '@modelcontextprotocol/server';
import { NodeStreamableHTTPServerTransport, toNodeHandler, toWebRequest } from '@modelcontextprotocol/node';
import { createApi, type ApiAnswer, type ApiRequest } from './api.js';
import { createServer } from './create-server.js';
import type { Question } from './follow.js';
import type { PromptTemplate } from './prompts.js';
import { createRunChanges } from './run-changes.js';

export interface McpHttpDeps {
  /** The HTTP API of this process. */
  readonly send: (request: ApiRequest) => Promise<ApiAnswer>;
  /** With which this server may ask itself. */
  readonly authorization: string | undefined;
  readonly stateKey: Uint8Array;
  readonly templates: readonly PromptTemplate[];
  readonly extend?: ((server: McpServer) => void) | undefined;
}

/** The endpoint `/mcp`. Who may ask at all is decided before it. */
export interface McpEndpoint {
  readonly handle: (request: IncomingMessage, response: ServerResponse, body: unknown) => Promise<void>;
  close(): Promise<void>;
}

/** For how long the answer to a question counts: as long as a person may take. */
const STATE_TTL_SECONDS = 30 * 24 * 3600;
const MOST_SESSIONS = 256;
const SESSION_IDLE_MS = 30 * 60_000;

interface Session {
  readonly transport: NodeStreamableHTTPServerTransport;
  /** Whose session it is: another key may not speak in it. */
  readonly authorization: string | undefined;
  usedAt: number;
}

/** Both eras of the protocol on one endpoint: 2026-07-28 without state, and up to 2025-11-25 with a session. */
export function createMcpEndpoint(deps: McpHttpDeps): McpEndpoint {
  const sessions = new Map<string, Session>();
  const codec = createRequestStateCodec<Question>({ key: deps.stateKey, ttlSeconds: STATE_TTL_SECONDS });
  const make = (authorization: string | undefined, session: boolean): McpServer =>
    createServer({ ...deps, api: createApi(deps.send, authorization), codec, session });
  const changes = createRunChanges(createApi(deps.send, deps.authorization));
  const modern = createMcpHandler(
    ({ requestInfo }) => make(requestInfo?.headers.get('authorization') ?? undefined, false),
    { legacy: 'reject', bus: changes },
  );
  const handleModern = toNodeHandler(modern);
  const sweep = setInterval(() => closeIdle(sessions), 60_000);
  sweep.unref();

  async function handleLegacy(
    request: IncomingMessage,
    response: ServerResponse,
    body: unknown,
  ): Promise<void> {
    const { authorization } = request.headers;
    const id = request.headers['mcp-session-id'];
    const known = typeof id === 'string' ? sessions.get(id) : undefined;
    if (id !== undefined && known?.authorization !== authorization) return noSession(response);
    const { transport } = known ?? (await begin(authorization));
    if (known) known.usedAt = Date.now();
    await transport.handleRequest(request, response, body);
  }

  async function begin(
    authorization: string | undefined,
  ): Promise<{ transport: NodeStreamableHTTPServerTransport }> {
    if (sessions.size >= MOST_SESSIONS) closeIdle(sessions, 1);
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: (id) => void sessions.set(id, { transport, authorization, usedAt: Date.now() }),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    await make(authorization, true).connect(transport);
    return { transport };
  }

  return {
    handle: async (incoming, response, body) => {
      const { method = 'GET', url = '/mcp' } = incoming;
      const request = Object.assign(incoming, { method, url });
      const legacy = await isLegacyRequest(await toWebRequest(request, body ?? null), body);
      await (legacy ? handleLegacy(request, response, body) : handleModern(request, response, body));
    },
    close: async () => {
      clearInterval(sweep);
      changes.close();
      await modern.close();
      await Promise.all([...sessions.values()].map(({ transport }) => transport.close()));
    },
  };
}

/** Ends sessions nobody has used for long; with `atLeast`, also the one that was used longest ago. */
function closeIdle(sessions: Map<string, Session>, atLeast = 0): void {
  const oldest = [...sessions].sort(([, one], [, other]) => one.usedAt - other.usedAt);
  for (const [place, [id, { transport, usedAt }]] of oldest.entries()) {
    if (place >= atLeast && Date.now() - usedAt < SESSION_IDLE_MS) break;
    sessions.delete(id);
    void transport.close();
  }
}

/** The status that tells a client to begin a new session. */
function noSession(response: ServerResponse): void {
  const error = { jsonrpc: '2.0', error: { code: -32001, message: 'there is no such session' }, id: null };
  response.writeHead(404, { 'content-type': 'application/json' }).end(JSON.stringify(error));
}
