import { Controller, Get, Inject, Post, Req, Res } from '@nestjs/common';
import { join } from 'node:path';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ENGINE } from '../tokens.js';
import type { Engine } from '../engine.js';
import type { checkMission } from '../mission/check-mission.js';
import { submitMission, type Uploads } from '../runs/submit-mission.js';
import { actorOf } from './guard-requests.js';
import { refuse } from './problem.js';
import { cursorOf, pageLimit } from './query.js';
import { ReadYourWrites } from './read-your-writes.js';
import { linksOf } from './run-view.js';
import { readMissionForm } from './uploads.js';

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

@Controller('missions')
export class MissionsController {
  constructor(
    @Inject(ENGINE) private readonly engine: Engine,
    @Inject(ReadYourWrites) private readonly writes: ReadYourWrites,
  ) {}

  /** Accepts a mission: 202 once its run is durably in the log. */
  @Post()
  async submit(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const form = request.isMultipart()
      ? await readMissionForm(request, join(this.engine.config.home, 'uploads'), this.engine.files)
      : undefined;
    try {
      await this.#submit(request, reply, form ? form.mission : request.body, form?.uploads);
    } finally {
      await form?.discard();
    }
  }

  async #submit(
    request: FastifyRequest,
    reply: FastifyReply,
    body: unknown,
    uploads: Uploads | undefined,
  ): Promise<void> {
    const { config, log, check } = this.engine;
    const checked = check(body);
    if (uploads && checked.schedule?.cron !== undefined)
      throw refuse(422, 'files-of-one-run', 'a mission that runs again and again takes no files', {
        hint: 'put them where each run can read them, or submit a mission for each',
      });
    const mission = config.SKYAGENT_BREAK.includes('no-intent') ? withoutIntents(checked) : checked;
    const { missionId, runId, seq, startAt } = await submitMission(log, mission, {
      actor: actorOf(request, config.SKYAGENT_API_KEYS),
      causationid: request.id,
      idempotencyKey: idempotencyKeyOf(request),
      dryRun: mission.dryRun,
      uploads,
    });
    this.writes.wrote(runId, seq);
    void reply
      .status(202)
      .header('location', `/runs/${runId}`)
      .header('etag', '"r1"')
      .send({ missionId, runId, status: 'queued', seq, ...(startAt && { startAt }), links: linksOf(runId) });
  }

  @Get()
  async list(@Req() request: FastifyRequest<{ Querystring: Record<string, string | undefined> }>) {
    const { limit, cursor } = request.query;
    await this.writes.settleAll();
    const { rows, next } = await this.writes.queries.listMissions(pageLimit(limit), cursorOf(cursor));
    return { missions: rows, next };
  }
}

/** For the tests that show what intents are for: every step says that it is safe to repeat. */
function withoutIntents(mission: ReturnType<typeof checkMission>): ReturnType<typeof checkMission> {
  const steps = mission.plan?.steps.map((step) => ({ ...step, safeToRepeat: true }));
  return steps ? { ...mission, plan: { ...mission.plan, steps } } : mission;
}

function idempotencyKeyOf({ headers }: FastifyRequest): string | undefined {
  const key = headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key === 'string' && IDEMPOTENCY_KEY.test(key)) return key;
  throw refuse(400, 'bad-idempotency-key', 'Idempotency-Key must be 1 to 255 visible ASCII characters');
}
