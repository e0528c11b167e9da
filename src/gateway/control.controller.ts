import { Controller, Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { commandBodies, derivingBodies, takeoverBodies } from '#events/run.commands.js';
import { isRefusal } from '#machines/run/run.decide.js';
import { statusOf } from '#machines/run/run.effects.js';
import type { Engine } from '../engine.js';
import { forkRun, retryRun, type DeriveDeps } from '../runs/derive-run.js';
import { handleCommand } from '../runs/handle-command.js';
import type { RunState } from '../runs/run-state.js';
import type { Submitted } from '../runs/submit-mission.js';
import { actAsPerson, handBack, renewControl, takeControl, type TakeoverDeps } from '../runs/takeover.js';
import { ENGINE } from '../tokens.js';
import { parsedBody, refuseCommand } from './command.js';
import { actorOf } from './guard-requests.js';
import { refuse } from './problem.js';
import { revOfIfMatch, single, statusesOf } from './query.js';
import { ReadYourWrites } from './read-your-writes.js';
import { takeoverDepsOf } from './takeover-deps.js';
import { linksOf } from './run-view.js';

type Query = Record<string, string | undefined>;
/** What a bulk pause takes on when nobody says: every status in which a run can be paused. */
const PAUSABLE = 'queued,planning,awaiting-approval,executing,validating';
const MOST_AT_ONCE = 10_000;

/** Commands that are more than one event of one run: new runs out of old ones, takeovers, a pause of many. */
@Controller('runs')
export class ControlController {
  constructor(
    @Inject(ENGINE) private readonly engine: Engine,
    @Inject(ReadYourWrites) private readonly writes: ReadYourWrites,
  ) {}

  /** Pauses every run of a status and a template. Answers which were paused and which could not be. */
  @Post('pause')
  async pauseMany(@Req() request: FastifyRequest<{ Querystring: Query }>, @Res() reply: FastifyReply) {
    const { reason } = parsedBody(commandBodies.pause, request.body, 'pause');
    const ids = await this.#idsOf(request.query);
    const context = this.#context(request);
    const paused: string[] = [];
    const refused: { runId: string; state: string; message: string }[] = [];
    for (const runId of ids) {
      const after = await handleCommand(this.engine.log, runId, { kind: 'PauseRun', reason }, context);
      if (isRefusal(after)) refused.push({ runId, state: after.state, message: after.message });
      else {
        this.writes.wrote(runId, after.seq);
        paused.push(runId);
      }
    }
    void reply.status(202).send({ paused, refused });
  }

  @Post(':id/retry')
  async retry(@Param('id') id: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply) {
    const body = parsedBody(derivingBodies.retry, request.body, 'retry');
    const result = await retryRun(this.#deriving(), id, body, this.#context(request));
    if (isRefusal(result)) throw refuseCommand(result);
    this.#sendNewRun(reply, result);
  }

  @Post(':id/fork')
  async fork(@Param('id') id: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply) {
    const body = parsedBody(derivingBodies.fork, request.body, 'fork');
    this.#sendNewRun(reply, await forkRun(this.#deriving(), id, body, this.#context(request)));
  }

  @Post(':id/takeover')
  async takeover(@Param('id') id: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply) {
    const body = parsedBody(takeoverBodies.takeover, request.body, 'takeover');
    const context = this.#context(request);
    const result = await takeControl(this.#takeovers(), id, { ...body, holder: context.actor }, context);
    if (isRefusal(result)) throw refuseCommand(result);
    this.#send(reply, id, result.state, { control: result.control });
  }

  @Post(':id/takeover/heartbeat')
  async heartbeat(@Param('id') id: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply) {
    const body = parsedBody(takeoverBodies.heartbeat, request.body, 'heartbeat');
    const state = await renewControl(this.engine.log, id, body, this.#context(request));
    this.#send(reply, id, state, { control: state.snapshot.context.control });
  }

  @Post(':id/takeover/actions')
  async act(@Param('id') id: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply) {
    const body = parsedBody(takeoverBodies.actions, request.body, 'actions');
    const { state, data } = await actAsPerson(this.#takeovers(), id, body, this.#context(request));
    const { lease: _, ...action } = data as { lease: string };
    this.#send(reply, id, state, { action }, 200);
  }

  @Post(':id/handback')
  async handback(@Param('id') id: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply) {
    const body = parsedBody(takeoverBodies.handback, request.body, 'handback');
    const result = await handBack(this.engine.log, id, body, this.#context(request));
    if (isRefusal(result)) throw refuseCommand(result);
    this.#send(reply, id, result, {});
  }

  async #idsOf({ status, template }: Query): Promise<string[]> {
    if (status === undefined && template === undefined)
      throw refuse(400, 'bad-query', 'a pause of many runs names a status or a template', {
        hint: `e.g. POST /runs/pause?status=${PAUSABLE}`,
      });
    await this.writes.settleAll();
    const filter = {
      status: statusesOf(status ?? PAUSABLE),
      template: single('template', template),
      limit: MOST_AT_ONCE,
    };
    return (await this.writes.queries.listRuns(filter)).rows.map(({ id }) => id);
  }

  #context(request: FastifyRequest) {
    return {
      actor: actorOf(request, this.engine.config.SKYAGENT_API_KEYS),
      causationid: request.id,
      ifRev: revOfIfMatch(request.headers['if-match']),
    };
  }

  #deriving(): DeriveDeps {
    const { log, files, check } = this.engine;
    return { log, files, check };
  }

  #takeovers(): TakeoverDeps {
    return takeoverDepsOf(this.engine, this.writes);
  }

  #send(reply: FastifyReply, id: string, state: RunState, more: object, status = 202): void {
    this.writes.wrote(id, state.seq);
    const { rev, seq, snapshot } = state;
    void reply
      .status(status)
      .header('etag', `"r${rev}"`)
      .send({ runId: id, status: statusOf(snapshot), rev, seq, ...more, links: linksOf(id) });
  }

  #sendNewRun(reply: FastifyReply, { missionId, runId, seq }: Submitted): void {
    this.writes.wrote(runId, seq);
    void reply
      .status(202)
      .header('location', `/runs/${runId}`)
      .header('etag', '"r1"')
      .send({ missionId, runId, status: 'queued', seq, links: linksOf(runId) });
  }
}
