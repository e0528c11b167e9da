import 'reflect-metadata';
import multipart from '@fastify/multipart';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { AppModule } from './app.modules.js';
import type { Config } from './config.js';
import { describe, startEngine, type Engine, type Report } from './engine.js';
import { guardRequests, isLoopback, MAX_BODY_BYTES } from './gateway/guard-requests.js';
import { MAX_UPLOAD_BYTES, MAX_UPLOADS } from './gateway/uploads.js';
import { mountLiveSocket } from './gateway/live-socket.js';
import { mountSkyvernHook } from './gateway/skyvern-hook.js';
import { Tickets } from './gateway/live-tickets.js';
import { ReadYourWrites } from './gateway/read-your-writes.js';
import { takeoverDepsOf } from './gateway/takeover-deps.js';
import { ProblemFilter, sendProblem } from './gateway/problem.filter.js';
import { newId } from './ids.js';
import type { McpEndpoint, McpHttpDeps } from './mcp/http.js';
import { stateKeyOf } from './mcp/state-key.js';

/** A process that is up. */
export interface Server {
  readonly engine: Engine;
  /** Where HTTP is served; nothing, in a process without the role gateway. */
  readonly url: string | undefined;
  stop(): Promise<void>;
}

/** Why a server was not started, in words for the person who started it. */
export class ServeError extends Error {
  readonly code = 'cannot-serve';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ServeError';
  }
}

export interface ServeOptions {
  /** Called with every MCP server that is made. */
  readonly extendMcp?: McpHttpDeps['extend'];
}

/** Starts the roles of a process, and HTTP when it is a gateway. */
export async function serve(config: Config, report: Report, options: ServeOptions = {}): Promise<Server> {
  if (!isLoopback(config.SKYAGENT_HOST) && config.SKYAGENT_API_KEYS.length === 0) {
    throw new ServeError(
      `listening on ${config.SKYAGENT_HOST} needs SKYAGENT_API_KEYS: others could reach this server`,
    );
  }
  const engine = await startEngine(config, report);
  if (!config.SKYAGENT_ROLES.includes('gateway'))
    return { engine, url: undefined, stop: () => engine.stop() };
  try {
    const app = await createApp(engine, report, options.extendMcp);
    await listen(app, config);
    const url = `http://${await addressOf(app, config)}`;
    return {
      engine,
      url,
      stop: async () => {
        await app.close();
        await engine.stop();
      },
    };
  } catch (error) {
    await engine.stop();
    throw error;
  }
}

async function createApp(
  engine: Engine,
  report: Report,
  extendMcp: ServeOptions['extendMcp'],
): Promise<NestFastifyApplication> {
  const onFault = (error: unknown) => report(`fault in the gateway: ${describe(error)}`);
  const adapter = new FastifyAdapter({
    bodyLimit: MAX_BODY_BYTES,
    forceCloseConnections: true,
    genReqId: () => `req_${newId()}`,
    routerOptions: { maxParamLength: 1024 },
    frameworkErrors: (error: Error, _request: unknown, reply: FastifyReply) =>
      sendProblem(reply, error, onFault),
  });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.of(engine), adapter, {
    logger: false,
    bodyParser: false,
    abortOnError: false,
  });
  app.useGlobalFilters(new ProblemFilter(onFault));
  const fastify = adapter.getInstance();
  guardRequests(fastify, engine.config);
  await fastify.register(multipart, {
    limits: { fileSize: MAX_UPLOAD_BYTES, files: MAX_UPLOADS, fields: 10, fieldSize: MAX_BODY_BYTES },
    throwFileSizeLimit: true,
  });
  mountMcp(fastify, engine, extendMcp);
  const writes = app.get(ReadYourWrites);
  const takeovers = takeoverDepsOf(engine, writes);
  const wrote = (runId: string, seq: number) => writes.wrote(runId, seq);
  mountSkyvernHook(fastify, {
    apiKey: engine.config.SKYVERN_API_KEY,
    wake: engine.skyvernWakeUps.wake,
  });
  mountLiveSocket(fastify, { engine, tickets: app.get(Tickets), takeovers, wrote });
  await app.init();
  return app;
}

/** Agents come in by the same door as everybody: Host, Origin and key are checked before. */
function mountMcp(fastify: FastifyInstance, engine: Engine, extend: ServeOptions['extendMcp']): void {
  const [key] = engine.config.SKYAGENT_API_KEYS;
  const deps: McpHttpDeps = {
    send: async ({ method, path, headers, body }) => {
      const answer = await fastify.inject({
        method,
        url: path,
        headers,
        ...(body !== undefined && { payload: body }),
      });
      const mediaType = answer.headers['content-type'] ?? '';
      return { status: answer.statusCode, mediaType, bytes: answer.rawPayload };
    },
    authorization: key === undefined ? undefined : `Bearer ${key}`,
    stateKey: stateKeyOf(engine.config.home),
    templates: engine.templates.list(),
    extend,
  };
  // Loaded with the first request: what it brings along is as large as all the rest.
  let endpoint: Promise<McpEndpoint> | undefined;
  fastify.all('/mcp', async (request, reply) => {
    endpoint ??= import('./mcp/http.js').then(({ createMcpEndpoint }) => createMcpEndpoint(deps));
    const { handle } = await endpoint;
    reply.hijack();
    await handle(request.raw, reply.raw, request.body);
  });
  fastify.addHook('preClose', async () => (await endpoint)?.close());
}

async function listen(
  app: NestFastifyApplication,
  { SKYAGENT_HOST: host, SKYAGENT_PORT: port }: Config,
): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'EADDRINUSE' ? 'the port is taken' : (code ?? 'unknown error');
    const what =
      code === 'EADDRINUSE' ? '; stop the other server, or set SKYAGENT_PORT (0 takes a free port)' : '';
    throw new ServeError(`cannot listen on ${host}:${port}: ${why}${what}`, { cause: error });
  }
}

async function addressOf(app: NestFastifyApplication, config: Config): Promise<string> {
  const { port } = URL.parse(await app.getUrl()) ?? {};
  const host = config.SKYAGENT_HOST.includes(':') ? `[${config.SKYAGENT_HOST}]` : config.SKYAGENT_HOST;
  return `${host}:${port}`;
}
