import { Controller, Get, Inject, Param, Query } from '@nestjs/common';
import type { Engine } from '../engine.js';
import { RunNotFoundError } from '../runs/load-run.js';
import { ENGINE } from '../tokens.js';
import { pageLimit, single, wholeNumber } from './query.js';

type TraceQuery = Record<string, string | undefined>;

/** What the steps of a run did, action by action, as far back as the trace stream goes. */
@Controller('runs/:id/traces')
export class TracesController {
  constructor(@Inject(ENGINE) private readonly engine: Engine) {}

  @Get()
  async traces(@Param('id') runId: string, @Query() query: TraceQuery) {
    if ((await this.engine.log.head(runId)) === 0) throw new RunNotFoundError(runId);
    const afterSeq = wholeNumber('after', query.after, 0, 0, Number.MAX_SAFE_INTEGER);
    const limit = pageLimit(query.limit);
    const stepId = single('step', query.step);
    const traces = await this.engine.traces.read({ runId, stepId, afterSeq, limit });
    return { traces, next: traces.length === limit ? traces.at(-1)?.seq : undefined };
  }
}
