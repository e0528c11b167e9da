import { isRestingStatus } from '#machines/run/run.commands.js';
import { Controller, Get, Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { commandBodies, type EventCommandName, type PersonCommand } from '#events/run.commands.js';
import { isRefusal } from '#machines/run/run.decide.js';
import { statusOf } from '#machines/run/run.effects.js';
import { describeMachine } from '../inspector/describe-machine.js';
import { handleCommand } from '../runs/handle-command.js';
import { loadRun, RunNotFoundError } from '../runs/load-run.js';
import type { Engine } from '../engine.js';
import { ENGINE } from '../tokens.js';
import { actorOf } from './guard-requests.js';
import { parsedBody, refuseCommand } from './command.js';
import { refuse } from './problem.js';
import { cursorOf, pageLimit, revOfIfMatch, single, statusesOf, waitMsOf, wholeNumber } from './query.js';
import { ReadYourWrites } from './read-your-writes.js';
import { linksOf, runDetails, runSummary, stepView } from './run-view.js';

type Query = Record<string, string | undefined>;
@Controller('runs')
export class RunsController {
  constructor(
    @Inject(ENGINE) private readonly engine: Engine,
    @Inject(ReadYourWrites) private readonly writes: ReadYourWrites,
  ) {}

  @Get()
  async list(@Req() { query }: FastifyRequest<{ Querystring: Query }>) {
    await this.writes.settleAll();
    const { status, template, q, cursor, limit } = query;
    const filter = {
      status: statusesOf(status),
      template: single('template', template),
      q: single('q', q),
      cursor: cursorOf(cursor),
      limit: pageLimit(limit),
    };
    const { rows, next } = await this.writes.queries.listRuns(filter);
    return { runs: rows.map(runSummary), next };
  }

  /** One run. `Prefer: wait=N` holds the answer until the run rests, N seconds at most. */
  @Get(':id')
  async show(
    @Param('id') id: string,
    @Req() request: FastifyRequest<{ Querystring: Query }>,
    @Res() reply: FastifyReply,
  ) {
    await this.#settle(id, request);
    const waitMs = waitMsOf(request.headers.prefer);
    if (waitMs > 0) await this.#untilResting(id, waitMs);
    const view = this.writes.queries.runView(id);
    if (!view) throw new RunNotFoundError(id);
    const { run } = view;
    const etag = `"r${run.rev}"`;
    if (request.headers['if-none-match'] === etag) return reply.status(304).header('etag', etag).send();
    return reply.header('etag', etag).send(runDetails(view));
  }

  @Get(':id/steps')
  async steps(@Param('id') id: string, @Req() request: FastifyRequest<{ Querystring: Query }>) {
    await this.#settle(id, request);
    this.#exists(id);
    return { steps: (await this.writes.queries.stepsOfRun(id)).map(stepView) };
  }

  @Get(':id/artifacts')
  async artifacts(@Param('id') id: string, @Req() request: FastifyRequest<{ Querystring: Query }>) {
    await this.#settle(id, request);
    this.#exists(id);
    const artifacts = await this.writes.queries.artifactsOfRun(id);
    return { artifacts: artifacts.map(({ runId: _, ...artifact }) => artifact) };
  }

  /** Definition, active states, legal events and Mermaid text of the run's machine, from the log itself. */
  @Get(':id/machine')
  async machine(@Param('id') id: string) {
    return describeMachine(await loadRun(this.engine.log, id));
  }

  @Post(':id/:command')
  async command(
    @Param('id') id: string,
    @Param('command') name: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const command = commandOf(name, request.body);
    const result = await handleCommand(this.engine.log, id, command, {
      actor: actorOf(request, this.engine.config.SKYAGENT_API_KEYS),
      causationid: request.id,
      ifRev: revOfIfMatch(request.headers['if-match']),
    });
    if (isRefusal(result)) throw refuseCommand(result);
    this.writes.wrote(id, result.seq);
    const status = statusOf(result.snapshot);
    void reply
      .status(202)
      .header('etag', `"r${result.rev}"`)
      .send({ runId: id, status, rev: result.rev, seq: result.seq, links: linksOf(id) });
  }

  async #settle(id: string, { query }: FastifyRequest<{ Querystring: Query }>): Promise<void> {
    await this.writes.settle(id, wholeNumber('minSeq', query.minSeq, 0, 0, Number.MAX_SAFE_INTEGER));
  }

  #exists(id: string): void {
    if (!this.writes.queries.runView(id)) throw new RunNotFoundError(id);
  }

  /** Looking and beginning to watch happen in one turn, so that no change falls between the two. */
  async #untilResting(id: string, waitMs: number): Promise<void> {
    const status = this.writes.progress.statusOf(id) ?? this.writes.queries.runView(id)?.run.status;
    if (status === undefined) throw new RunNotFoundError(id);
    if (!isRestingStatus(status))
      await this.writes.progress.changed(id, waitMs, (now) => isRestingStatus(now));
  }
}

const COMMANDS: { readonly [K in EventCommandName]: PersonCommand['kind'] } = {
  pause: 'PauseRun',
  resume: 'ResumeRun',
  cancel: 'CancelRun',
  approve: 'Approve',
  reject: 'Reject',
  skip: 'SkipStep',
  budget: 'RaiseBudget',
  settle: 'SettleDoubt',
};

function commandOf(name: string, body: unknown): PersonCommand {
  if (!Object.hasOwn(COMMANDS, name)) {
    throw refuse(404, 'unknown-command', `there is no command ${JSON.stringify(name)}`, {
      hint: `commands: ${Object.keys(COMMANDS).join(', ')}`,
    });
  }
  const command = name as EventCommandName;
  return { kind: COMMANDS[command], ...parsedBody(commandBodies[command], body, name) } as PersonCommand;
}
