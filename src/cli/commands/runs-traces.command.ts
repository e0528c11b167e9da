import type { Trace } from '#events/trace.js';
import type { Config } from '../../config.js';
import { withServer } from '../client.js';
import { print } from '../output.js';

interface Page {
  readonly traces: readonly (Trace & { seq: number })[];
  readonly next?: number;
}

/** One line an action: when, how long, what, and what became of it. */
export const run = (config: Config, options: { step?: string; json?: boolean }, id: string): Promise<void> =>
  withServer(config, async (client) => {
    const step = options.step === undefined ? '' : `&step=${encodeURIComponent(options.step)}`;
    for (let after: number | undefined = 0; after !== undefined;) {
      const path = `/runs/${encodeURIComponent(id)}/traces?limit=200&after=${after}${step}`;
      const page: Page = await client.get(path);
      for (const trace of page.traces) print(options.json ? JSON.stringify(trace) : lineOf(trace));
      after = page.next;
    }
  });

function lineOf({ startedAt, durationMs, stepId, action, outcome, code, after }: Trace): string {
  const ms = `${Math.round(durationMs)} ms`.padStart(9);
  const end = outcome === 'done' ? '' : `  ${outcome}${code === undefined ? '' : ` (${code})`}`;
  return `${startedAt.slice(11, 23)} ${ms}  ${stepId}  ${action.padEnd(10)}  ${after?.url ?? ''}${end}`;
}
