import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Engine } from '../engine.js';
import { packageRoot } from '../setup/package-root.js';
import { ENGINE } from '../tokens.js';
import { openApiDocument } from './openapi.js';
import { ReadYourWrites } from './read-your-writes.js';

/** What is asked of the process itself. */
@Controller()
export class SystemController {
  constructor(
    @Inject(ENGINE) private readonly engine: Engine,
    @Inject(ReadYourWrites) private readonly writes: ReadYourWrites,
  ) {}

  @Get('livez')
  live() {
    return { status: 'ok' };
  }

  /** 200 when missions are accepted; 503 with the reasons when the log is served read-only or does not answer. */
  @Get('readyz')
  async ready(@Res() reply: FastifyReply) {
    const { config, natsUrl, natsVersion, problems, worker, log } = this.engine;
    const unreachable = await log.info().then(
      () => [],
      (error: unknown) => [`the event log does not answer: ${(error as Error).message}`],
    );
    const reasons = [...problems, ...unreachable];
    return reply.status(reasons.length === 0 ? 200 : 503).send({
      status: reasons.length === 0 ? 'ready' : 'read-only',
      reasons,
      nats: { url: natsUrl, version: natsVersion, partitions: log.partitions },
      roles: config.SKYAGENT_ROLES,
      worker: worker && { id: worker.id, runs: worker.owned },
    });
  }

  @Get('templates')
  templates() {
    return {
      templates: this.engine.templates
        .list()
        .map(({ id, title, description, inputs, sample }) => ({ id, title, description, inputs, sample })),
    };
  }

  @Get('queue')
  async queue() {
    await this.writes.settleAll();
    return this.writes.queries.queueOverview();
  }

  @Get('openapi.json')
  openapi() {
    return openApiDocument();
  }

  @Get('asyncapi.json')
  asyncapi(): unknown {
    return JSON.parse(readFileSync(join(packageRoot, 'events', 'schemas', 'asyncapi.json'), 'utf8'));
  }
}
