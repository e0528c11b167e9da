import { Controller, Get, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { liveBody } from '#events/run.commands.js';
import type { Engine } from '../engine.js';
import { loadRun } from '../runs/load-run.js';
import { requireLease } from '../runs/takeover.js';
import { ENGINE } from '../tokens.js';
import { parsedBody } from './command.js';
import { actorOf } from './guard-requests.js';
import { livePage } from './live-page.js';
import { Tickets } from './live-tickets.js';
import { refuse } from './problem.js';

/** The live view of a run: a ticket, and a page that shows the screen over the ticket's WebSocket. */
@Controller('runs/:id/live')
export class LiveController {
  constructor(
    @Inject(ENGINE) private readonly engine: Engine,
    @Inject(Tickets) private readonly tickets: Tickets,
  ) {}

  @Post()
  async ticket(@Param('id') id: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply) {
    const { lease } = parsedBody(liveBody, request.body, 'live');
    const state = await loadRun(this.engine.log, id);
    if (lease !== undefined) {
      requireLease(state, lease);
      const { mission } = state.snapshot.context;
      await this.engine.drivers.present({ runId: id, mission, signal: request.signal });
    }
    const actor = actorOf(request, this.engine.config.SKYAGENT_API_KEYS);
    const issued = this.tickets.issue({ runId: id, actor, lease });
    const query = `?ticket=${issued.ticket}`;
    const elsewhere = this.engine.drivers.elsewhere(id);
    const links = {
      page: `/runs/${id}/live${query}`,
      socket: `/runs/${id}/live/socket${query}`,
      ...elsewhere,
    };
    return reply.status(201).send({ ...issued, control: lease !== undefined, links });
  }

  @Get()
  page(@Param('id') id: string, @Query('ticket') ticket: string | undefined, @Res() reply: FastifyReply) {
    if (this.tickets.peek(ticket)?.runId !== id) throw noTicket(id);
    const nonce = randomBytes(16).toString('base64');
    return reply
      .header('content-type', 'text/html; charset=utf-8')
      .header('content-security-policy', policyOf(nonce))
      .header('referrer-policy', 'no-referrer')
      .header('cache-control', 'no-store')
      .send(livePage(nonce));
  }
}

const policyOf = (nonce: string): string =>
  `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; ` +
  "frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const noTicket = (id: string) =>
  refuse(
    401,
    'no-valid-ticket',
    'the live view needs a ticket that was not used and is not older than a minute',
    {
      hint: `POST /runs/${id}/live gives one`,
    },
  );
