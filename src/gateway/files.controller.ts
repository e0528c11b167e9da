import { Controller, Get, Inject, Param, Req, Res } from '@nestjs/common';
import { extname } from 'node:path';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { runFiles } from '../agentfs/agentfs.js';
import type { Engine } from '../engine.js';
import { sha256 } from '../log/hash-chain.js';
import { RunNotFoundError } from '../runs/load-run.js';
import { ENGINE } from '../tokens.js';
import { ReadYourWrites } from './read-your-writes.js';

/** Types that a browser may show. Pages that agents saved are downloads: they must not run in this server's origin. */
const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.md': 'text/markdown; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.csv': 'text/csv; charset=utf-8',
  '.json': 'application/json',
  '.png': 'image/png',
  '.pdf': 'application/pdf',
  '.html': 'text/html; charset=utf-8',
};

@Controller('runs/:id/files')
export class FilesController {
  constructor(
    @Inject(ENGINE) private readonly engine: Engine,
    @Inject(ReadYourWrites) private readonly writes: ReadYourWrites,
  ) {}

  @Get()
  async list(@Param('id') id: string) {
    return { files: await (await this.#filesOf(id)).list('.') };
  }

  @Get('*')
  async file(
    @Param('id') id: string,
    @Req() request: FastifyRequest<{ Params: { '*': string } }>,
    @Res() reply: FastifyReply,
  ) {
    const path = request.params['*'];
    const bytes = await (await this.#filesOf(id)).read(path);
    return reply
      .header('content-type', MEDIA_TYPES[extname(path)] ?? 'application/octet-stream')
      .header(
        'content-security-policy',
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:",
      )
      .header('x-content-type-options', 'nosniff')
      .header('etag', `"${sha256(bytes)}"`)
      .send(Buffer.from(bytes));
  }

  async #filesOf(id: string) {
    await this.writes.settle(id);
    if (!this.writes.queries.runView(id)) throw new RunNotFoundError(id);
    return runFiles(this.engine.config.agentFsRoot, id);
  }
}
