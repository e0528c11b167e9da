import { Controller, Get, Inject, Param, Req, Res } from '@nestjs/common';
import { extname } from 'node:path';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OpenFile } from '../agentfs/agentfs.js';
import type { Engine } from '../engine.js';
import { RunNotFoundError } from '../runs/load-run.js';
import { ENGINE } from '../tokens.js';
import { rangeOf, type ByteRange } from './byte-range.js';
import { refuse } from './problem.js';
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
    const file = await (await this.#filesOf(id)).open(path);
    const etag = `"${file.digest}"`;
    void reply
      .header('content-type', MEDIA_TYPES[extname(path)] ?? 'application/octet-stream')
      .header('accept-ranges', 'bytes')
      .header(
        'content-security-policy',
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:",
      )
      .header('x-content-type-options', 'nosniff')
      .header('etag', etag);
    if (request.headers['if-none-match'] === etag) {
      await file.close();
      return reply.status(304).send();
    }
    // A part of a file that has changed since is of no use: the whole is sent.
    const ifRange = request.headers['if-range'];
    const wanted = ifRange === undefined || ifRange === etag ? request.headers.range : undefined;
    const range = rangeOf(wanted, file.bytes);
    if (range === 'unsatisfiable') {
      await file.close();
      void reply.header('content-range', `bytes */${file.bytes}`);
      throw refuse(416, 'no-such-range', `the file has ${file.bytes} bytes`);
    }
    return sendFile(reply, file, range);
  }

  async #filesOf(id: string) {
    await this.writes.settle(id);
    if (!this.writes.queries.runView(id)) throw new RunNotFoundError(id);
    return this.engine.files(id);
  }
}

function sendFile(reply: FastifyReply, file: OpenFile, range: ByteRange | undefined) {
  const { first, last } = range ?? { first: 0, last: file.bytes - 1 };
  if (range) void reply.status(206).header('content-range', `bytes ${first}-${last}/${file.bytes}`);
  return reply.header('content-length', last - first + 1).send(file.stream(first, Math.max(first, last)));
}
