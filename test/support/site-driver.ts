import { NO_LIMITS } from './budget.js';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { planSchema } from '#events/plan.js';
import type { Json } from '#events/shapes.js';
import { runFiles, type RunFiles } from '../../src/agentfs/agentfs.js';
import { StepFailedError } from '../../src/failures/failures.js';
import { createPlaywrightDriver } from '../../src/runtimes/browser/playwright.driver.js';
import type { Reconciliation, StepResult, StepTask } from '../../src/runtimes/driver.js';

export interface Ran {
  readonly files: RunFiles;
  run(actions: object[], how?: How): Promise<StepResult & { output: Record<string, Json> }>;
  /** Whether a script took effect, by its look-up; without one nobody can tell. */
  lookUp(actions: object[], lookUp?: object): Promise<Reconciliation>;
  /** The failure of a script that must fail. */
  fails(actions: object[], how?: How): Promise<StepFailedError>;
  close(): Promise<void>;
}

interface How {
  readonly signal?: AbortSignal;
  readonly allowHosts?: string[];
}

/** A real Chromium, with a run's folder of its own. */
export async function startBrowser(): Promise<Ran> {
  const folder = await mkdtemp(join(tmpdir(), 'skyagent-browser-'));
  const driver = createPlaywrightDriver({ home: folder, allowHosts: [] });
  const files = runFiles(folder, 'run_1');
  const taskOf = (script: object, signal: AbortSignal, allowHosts: string[]): StepTask => {
    const { steps } = planSchema.parse({
      steps: [{ id: 'a', title: 'a', do: 'browser.script', with: script }],
    });
    const mission = { inputs: {}, metadata: { allowHosts } };
    return {
      runId: 'run_1',
      stepId: 'a',
      attempt: 1,
      step: steps[0]!,
      idempotencyKey: 'run_1/a',
      mission,
      files,
      signal,
      budget: NO_LIMITS,
      mayAct: () => Promise.resolve(signal.throwIfAborted()),
    };
  };
  const run: Ran['run'] = async (
    actions,
    { signal = new AbortController().signal, allowHosts = ['127.0.0.1'] } = {},
  ) =>
    (await driver.execute(taskOf({ actions }, signal, allowHosts))) as StepResult & {
      output: Record<string, Json>;
    };
  return {
    files,
    run,
    lookUp: (actions, lookUp) =>
      driver.reconcile!(
        taskOf({ actions, ...(lookUp && { lookUp }) }, new AbortController().signal, ['127.0.0.1']),
      ),
    fails: async (actions, how) => {
      const ended: unknown = await run(actions, how).catch((error: unknown) => error);
      if (ended instanceof StepFailedError) return ended;
      throw new Error('the script did not fail as a step does', { cause: ended });
    },
    close: async () => {
      await driver.close!();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
