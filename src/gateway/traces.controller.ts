import { Controller, Get, Inject, Param, Query } from '@nestjs/common';
import type { Engine } from '../engine.js';
import { RunNotFoundError } from '../runs/load-run.js';
import { ENGINE } from '../tokens.js';
import { refuse } from './problem.js';
import { pageLimit, single, wholeNumber } from './query.js';

/** Of a step, or of a child of `forEach`. */
const STEP_ID = /^[A-Za-z0-9_.-]{1,200}$/;

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
    if (stepId !== undefined && !STEP_ID.test(stepId))
      throw refuse(400, 'bad-query', `${JSON.stringify(stepId)} is not the id of a step`, {
        hint: 'see GET /runs/:id/steps',
      });
    const traces = await this.engine.traces.read({ runId, stepId, afterSeq, limit });
    return { traces, next: traces.length === limit ? traces.at(-1)?.seq : undefined };
  }
}
