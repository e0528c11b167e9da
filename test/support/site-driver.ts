import { UNTROUBLED } from './budget.js';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stepSchema } from '#events/plan.js';
import type { Json } from '#events/shapes.js';
import { runFiles, type RunFiles } from '../../src/agentfs/agentfs.js';
import { StepFailedError } from '../../src/failures/failures.js';
import type { BrowserPolicy } from '../../src/runtimes/browser/agent/observation.js';
import type { Trace } from '#events/trace.js';
import {
  createPlaywrightDriver,
  type PlaywrightDriver,
} from '../../src/runtimes/browser/playwright.driver.js';
import type { Reconciliation, StepResult, StepTask } from '../../src/runtimes/driver.js';

export interface Ran {
  readonly folder: string;
  readonly files: RunFiles;
  /** What the driver told of its actions. */
  readonly traces: readonly Trace[];
  readonly driver: PlaywrightDriver;
  /** A step as the driver gets it. */
  taskOf(script: object, how: How): StepTask;
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
  /** More of the mission's metadata, of the step, and another run or step than usual. */
  readonly metadata?: object;
  readonly step?: object;
  readonly runId?: string;
  readonly stepId?: string;
}

/** A real Chromium, with a run's folder of its own, or with the folder of another. */
export async function startBrowser(shared?: string, policy?: BrowserPolicy): Promise<Ran> {
  const folder = shared ?? (await mkdtemp(join(tmpdir(), 'skyagent-browser-')));
  const driver = createPlaywrightDriver({ home: folder, allowHosts: [], agentFsRoot: folder, policy });
  const files = runFiles(folder, 'run_1');
  const traces: Trace[] = [];
  let runs = 0;
  const taskOf = (script: object, how: How): StepTask => {
    const { signal = new AbortController().signal, allowHosts = ['127.0.0.1'] } = how;
    // A run of its own, unless a test says: its cookies and tabs are nobody else's.
    const { runId = `run_${++runs}`, stepId = 'a' } = how;
    const step = stepSchema.parse({
      id: stepId,
      title: 'a',
      do: 'browser.script',
      with: script,
      ...how.step,
    });
    const mission = { inputs: {}, metadata: { allowHosts, ...how.metadata } };
    return {
      runId,
      stepId,
      attempt: 1,
      step,
      planned: step,
      trace: (trace) => void traces.push(trace),
      idempotencyKey: `${runId}/${stepId}`,
      mission,
      files,
      signal,
      ...UNTROUBLED,
      mayAct: () => Promise.resolve(signal.throwIfAborted()),
    };
  };
  const run: Ran['run'] = async (actions, how = {}) =>
    (await driver.execute(taskOf({ actions }, how))) as StepResult & { output: Record<string, Json> };
  return {
    folder,
    files,
    traces,
    taskOf,
    driver,
    run,
    lookUp: (actions, lookUp) => driver.reconcile!(taskOf({ actions, ...(lookUp && { lookUp }) }, {})),
    fails: async (actions, how) => {
      const ended: unknown = await run(actions, how).catch((error: unknown) => error);
      if (ended instanceof StepFailedError) return ended;
      throw new Error('the script did not fail as a step does', { cause: ended });
    },
    close: async () => {
      await driver.close!();
      if (shared === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}
