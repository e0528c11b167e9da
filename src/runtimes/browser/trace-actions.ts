import type { BrowserAction } from '#events/actions/browser.js';
import type { Trace } from '#events/trace.js';
import type { Json } from '#events/shapes.js';
import { READ_ONLY_BROWSER_ACTIONS } from '#events/actions/browser.js';
import { StepFailedError } from '../../failures/failures.js';
import { redacted } from '../redact.js';
import { keepPicture } from './pictures.js';
import type { Script } from './script.js';

/** Does one action and tells the trace stream what became of it. */
export async function traced(
  script: Script,
  { action, index, args }: { action: BrowserAction; index: number; args: Json },
  perform: () => Promise<void>,
): Promise<void> {
  const { task } = script;
  const startedAt = new Date().toISOString();
  const from = performance.now();
  const before = placeOf(script);
  const tell = (outcome: Trace['outcome'], more: Pick<Trace, 'code' | 'screenshot'> = {}) =>
    task.trace({
      runId: task.runId,
      stepId: task.stepId,
      attempt: task.attempt,
      index,
      runtime: 'browser',
      driver: 'playwright',
      action: action.name,
      args: redacted(args),
      startedAt,
      durationMs: Math.round((performance.now() - from) * 100) / 100,
      outcome,
      before,
      after: placeOf(script),
      ...more,
    });
  try {
    await perform();
  } catch (error) {
    tell(task.signal.aborted ? 'stopped' : 'failed', codeOf(error));
    throw error;
  }
  const screenshot = wantsPicture(script, action) ? await pictureOf(script) : undefined;
  tell('done', screenshot === undefined ? {} : { screenshot });
}

const codeOf = (error: unknown): { code?: string } =>
  error instanceof StepFailedError ? { code: error.failure.code } : {};

const placeOf = ({ page, tabs, network }: Script) => ({
  url: network.tell(page.url()),
  tabs: tabs.filter((tab) => !tab.isClosed()).length,
});

function wantsPicture({ task }: Script, { name }: BrowserAction): boolean {
  const policy = task.mission.metadata.screenshots ?? 'failures';
  return policy === 'all' || (policy === 'changes' && !READ_ONLY_BROWSER_ACTIONS.has(name));
}

const pictureOf = (script: Script): Promise<string | undefined> =>
  keepPicture(script).then(
    ({ path }) => path,
    () => undefined,
  );
