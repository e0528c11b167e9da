import { Controller, Get, Inject, Param, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { eventTypeOf, type Envelope } from '#events/envelope.js';
import type { Engine } from '../engine.js';
import type { StoredEvent } from '../log/event-log.js';
import { RunNotFoundError } from '../runs/load-run.js';
import { ENGINE } from '../tokens.js';
import { pageLimit, wholeNumber } from './query.js';
import { ReadYourWrites } from './read-your-writes.js';

type Query = Record<string, string | undefined>;
const KEEP_ALIVE_MS = 15_000;
const TERMINAL: ReadonlySet<string> = new Set([
  'run.succeeded',
  'run.failed',
  'run.cancelled',
  'run.quarantined',
]);

/** A run's history, as JSON or as a stream of server-sent events whose id is the revision. */
@Controller('runs/:id/events')
export class EventsController {
  constructor(
    @Inject(ENGINE) private readonly engine: Engine,
    @Inject(ReadYourWrites) private readonly writes: ReadYourWrites,
  ) {}

  @Get()
  async events(
    @Param('id') id: string,
    @Req() request: FastifyRequest<{ Querystring: Query }>,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const after = wholeNumber('after', request.query.after, 0, 0, Number.MAX_SAFE_INTEGER);
    const stored = await this.engine.log.read(id);
    if (stored.length === 0) throw new RunNotFoundError(id);
    if (request.headers.accept?.includes('text/event-stream'))
      return this.#stream(id, stored, request, reply);
    const bodies = stored.map(bodyOf).filter((body) => body.rev > after);
    const page = bodies.slice(0, pageLimit(request.query.limit));
    void reply.send({ events: page, next: bodies.length > page.length ? page.at(-1)?.rev : undefined });
  }

  /** Sends what came after `Last-Event-ID`, then what comes, and ends with the run. */
  async #stream(
    id: string,
    first: StoredEvent[],
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    const lastSeen = wholeNumber(
      'Last-Event-ID',
      request.headers['last-event-id'] as string | undefined,
      0,
      0,
      Number.MAX_SAFE_INTEGER,
    );
    let open = true;
    request.raw.socket.once('close', () => (open = false));
    reply.hijack();
    reply.raw.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      connection: 'keep-alive',
    });
    let seq = 0;
    try {
      for (let batch = first; open; batch = await this.engine.log.read(id, seq)) {
        for (const stored of batch) {
          seq = stored.seq;
          const body = bodyOf(stored);
          if (body.rev > lastSeen) reply.raw.write(sse(body));
          if (TERMINAL.has(eventTypeOf(body))) open = false;
        }
        if (open && !(await this.#changedAfter(id, seq))) reply.raw.write(': still here\n\n');
      }
    } finally {
      // When the log fails in the middle, the reader must see an end to come back after.
      reply.raw.end();
    }
  }

  async #changedAfter(id: string, seq: number): Promise<boolean> {
    const changed = this.writes.progress.changed(id, KEEP_ALIVE_MS, () => true);
    const missed = await this.engine.log.read(id, seq);
    return missed.length > 0 || changed;
  }
}

const bodyOf = (stored: StoredEvent): Envelope => stored.body as Envelope;

const sse = (body: Envelope): string =>
  `id: ${body.rev}\nevent: ${eventTypeOf(body)}\ndata: ${JSON.stringify(body)}\n\n`;
