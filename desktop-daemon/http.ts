import 'reflect-metadata';
import {
  Body,
  Catch,
  Controller,
  Get,
  HttpCode,
  Inject,
  Module,
  Post,
  Req,
  Res,
  type ArgumentsHost,
  type DynamicModule,
  type ExceptionFilter,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { readFile } from 'node:fs/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { desktopCommandSchema, desktopControlCommandSchema, type DesktopErrorCode } from '#events/desktop.js';
import { asDeskError, DeskError } from './errors.js';
import type { Daemon } from './daemon.js';
import type { Settings } from './settings.js';
import { isAuthorized } from './token.js';

const DAEMON = Symbol('daemon');
const MAX_BODY_BYTES = 12 * 1024 * 1024;

/** What an error of a desktop is in HTTP. */
const STATUS: Readonly<Partial<Record<DesktopErrorCode, number>>> = {
  'no-display': 503,
  'no-permission': 503,
  'screen-crashed': 503,
  'ocr-unavailable': 501,
  'not-supported': 501,
  'screen-locked': 423,
  busy: 423,
  'person-at-controls': 423,
  stopped: 423,
  'no-lease': 409,
  'stale-lease': 409,
  'no-such-window': 404,
  'file-not-found': 404,
  'not-seen': 408,
  'app-not-allowed': 403,
  canceled: 409,
  fault: 500,
};

/** A request that is refused before the desktop hears of it. */
class RequestRefusedError extends Error {
  constructor(
    readonly statusCode: number,
    readonly code: string,
    message: string,
    readonly hint: string,
  ) {
    super(message);
    this.name = 'RequestRefusedError';
  }
}

const cancelSchema = z.strictObject({ id: z.string().min(1).max(100) });

@Controller()
class DesktopController {
  constructor(@Inject(DAEMON) private readonly daemon: Daemon) {}

  @Get('livez')
  live() {
    return { ok: true };
  }

  @Get('v1/info')
  info() {
    return this.daemon.info();
  }

  /** One action. Whoever hangs up stops what was begun. */
  @Post('v1/actions')
  @HttpCode(200)
  async act(@Body() body: unknown, @Req() request: FastifyRequest, @Res() reply: FastifyReply) {
    const command = parsed(desktopCommandSchema, body);
    const gone = new AbortController();
    const onClose = () => gone.abort();
    request.raw.socket.once('close', onClose);
    const answer = await this.daemon.workplace.act(command, gone.signal);
    request.raw.socket.removeListener('close', onClose);
    const status = answer.ok ? 200 : (STATUS[answer.error.code as DesktopErrorCode] ?? 422);
    return reply.status(status).send(answer);
  }

  @Post('v1/cancel')
  @HttpCode(200)
  cancel(@Body() body: unknown) {
    this.daemon.workplace.cancel(parsed(cancelSchema, body).id);
    return { ok: true };
  }

  @Post('v1/control')
  @HttpCode(200)
  control(@Body() body: unknown) {
    return this.daemon.workplace.control(parsed(desktopControlCommandSchema, body));
  }

  /** The controls, now and whenever they change hands, as server-sent events. */
  @Get('v1/events')
  events(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const { workplace } = this.daemon;
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    const tell = (control: object) => void reply.raw.write(`data: ${JSON.stringify(control)}\n\n`);
    tell(workplace.current());
    const stop = workplace.onControl(tell);
    request.raw.socket.once('close', stop);
  }
}

function parsed<S extends z.ZodType>(schema: S, body: unknown): z.infer<S> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw new DeskError('bad-argument', reasonOf(result.error.issues));
}

/** The field and what was expected there. What was given is not told: it may be what was to be typed. */
function reasonOf(issues: readonly z.core.$ZodIssue[]): string {
  const [first] = issues;
  if (first?.code !== 'invalid_union') return `${first?.path.join('.') || 'the body'}: ${wordsOf(first)}`;
  const branches = first.errors.toSorted((left, right) => depth(right) - depth(left));
  const [inner] = branches[0] ?? [];
  return `${[...first.path, ...(inner?.path ?? [])].join('.')}: ${wordsOf(inner)}`;
}
const depth = (issues: readonly z.core.$ZodIssue[]): number =>
  Math.max(0, ...issues.map(({ path }) => path.length));
const wordsOf = (issue: z.core.$ZodIssue | undefined): string =>
  issue?.code === 'unrecognized_keys'
    ? 'there is no such action or field'
    : (issue?.message ?? 'is not valid');

@Catch()
class DeskErrorFilter implements ExceptionFilter {
  constructor(private readonly report: (line: string) => void) {}

  catch(error: unknown, host: ArgumentsHost): void {
    sendError(host.switchToHttp().getResponse<FastifyReply>(), error, this.report);
  }
}

/** What is known of an error that has a status. */
const known = (error: unknown): { message: string; code?: string; hint?: string } => {
  const { message, code, hint } = error as Partial<RequestRefusedError>;
  return { message: message ?? '', ...(code !== undefined && { code }), ...(hint !== undefined && { hint }) };
};

function sendError(reply: FastifyReply, error: unknown, report: (line: string) => void): void {
  if (reply.raw.headersSent) return;
  const status =
    (error as { statusCode?: number; status?: number }).statusCode ?? (error as { status?: number }).status;
  if (!(error instanceof DeskError) && status !== undefined && status < 500) {
    const { code, message, hint } = { code: 'bad-request', hint: 'see docs/desktop.md', ...known(error) };
    void reply
      .status(status)
      .send({ ok: false, error: { code: code.toLowerCase(), message, hint, untouched: true } });
    return;
  }
  const told = asDeskError(error);
  if (told.code === 'fault') report(`fault: ${(error as Error).name}`);
  void reply.status(STATUS[told.code] ?? 422).send({ ok: false, error: told.body() });
}

@Module({})
class DaemonModule {
  static of(daemon: Daemon): DynamicModule {
    return {
      module: DaemonModule,
      controllers: [DesktopController],
      providers: [{ provide: DAEMON, useValue: daemon }],
    };
  }
}

/** Serves a daemon over HTTP; answers its address. */
export async function serveHttp(
  daemon: Daemon,
  settings: Settings,
  token: string,
  report: (line: string) => void,
): Promise<{ url: string; close(): Promise<void> }> {
  const { tls } = settings;
  const https = tls && { cert: await readFile(tls.certFile), key: await readFile(tls.keyFile) };
  const adapter = new FastifyAdapter({
    bodyLimit: MAX_BODY_BYTES,
    forceCloseConnections: true,
    ...(https && { https }),
    frameworkErrors: (error: Error, _request: unknown, reply: FastifyReply) =>
      sendError(reply, error, report),
  } as ConstructorParameters<typeof FastifyAdapter>[0]);
  const app = await NestFactory.create<NestFastifyApplication>(DaemonModule.of(daemon), adapter, {
    logger: false,
    bodyParser: false,
    abortOnError: false,
  });
  app.useGlobalFilters(new DeskErrorFilter(report));
  guard(adapter.getInstance(), settings, token);
  await app.listen({ host: settings.host, port: settings.port });
  const { port } = new URL(await app.getUrl());
  const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host;
  return { url: `${tls ? 'https' : 'http'}://${host}:${port}`, close: () => app.close() };
}

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '::1']);

/** Who may ask at all: no web page (Origin), also not through a name of its own for this machine (Host), and only with the token. */
function guard(server: FastifyInstance, { host }: Settings, token: string): void {
  server.addHook('onRequest', (request, _reply, done) => {
    const { headers, url } = request;
    const named = hostnameOf(headers.host ?? '');
    if (!LOOPBACK.has(named) && named !== host && LOOPBACK.has(host))
      return done(
        refusal(
          403,
          'host-not-allowed',
          'the Host header is not this daemon’s',
          'use 127.0.0.1 or localhost',
        ),
      );
    if (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined)
      return done(
        refusal(403, 'origin-not-allowed', 'web pages may not use a desktop', 'ask from a program'),
      );
    if (url !== '/livez' && !isAuthorized(headers.authorization, token))
      return done(
        refusal(
          401,
          'no-valid-token',
          'this needs the token of the daemon',
          'send Authorization: Bearer <token>',
        ),
      );
    done();
  });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, JSON.parse(body as string));
    } catch {
      done(refusal(400, 'not-json', 'the body is not JSON', 'send one JSON object'));
    }
  });
}

const refusal = (status: number, code: string, message: string, hint: string): RequestRefusedError =>
  new RequestRefusedError(status, code, message, hint);
const hostnameOf = (host: string): string =>
  (URL.parse(`http://${host}`)?.hostname ?? '').replace(/^\[|\]$/g, '');
