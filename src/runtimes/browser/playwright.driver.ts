import type { BrowserAction } from '#events/actions/browser.js';
import type { PlanStep } from '#events/plan.js';
import type { Json } from '#events/shapes.js';
import { fail } from '../../failures/failures.js';
import { evaluate } from '../../effects/resolve.js';
import type { Driver, Reconciliation, StepResult, StepTask } from '../driver.js';
import { createBrowserHost, type BrowserHost } from './browser-host.js';
import type { ChromiumSettings } from './chromium.js';
import { runActions, runInSession, type Work } from './run-script.js';
import type { BrowserPolicy } from './agent/observation.js';
import { runTask } from './agent/run-task.js';
import { ACTION_TIMEOUT_MS } from './script.js';
import { createSessionStore } from './session-state.js';
import { createSessions, type Sessions } from './sessions.js';
import type { SessionTask } from './session.js';
import { scriptOf, watchSession } from './live.js';

export interface PlaywrightSettings extends ChromiumSettings {
  /** Internal hosts that every mission may open. */
  readonly allowHosts: readonly string[];
  /** Where the sessions of runs and the profiles are kept, beside the runs' folders. */
  readonly agentFsRoot: string;
  /** What decides in `browser.task`; without one, nobody here can follow an instruction. */
  readonly policy?: BrowserPolicy | undefined;
}

/** `browser.script` and `browser.task` in a real Chromium: one browser for all, one context (its own cookies, its own tabs) for each run. */
export interface PlaywrightDriver extends Driver {
  readonly sessions: Sessions;
  /** A page as a PDF. It runs no script and asks for nothing. */
  readonly printPdf: (html: string, signal: AbortSignal) => Promise<Uint8Array>;
}

export function createPlaywrightDriver(settings: PlaywrightSettings): PlaywrightDriver {
  const host = createBrowserHost(settings);
  const store = createSessionStore(settings.agentFsRoot);
  const sessions = createSessions({ host, store, allowHosts: settings.allowHosts });

  async function execute(task: StepTask): Promise<StepResult> {
    task.signal.throwIfAborted();
    const work = workOf(task, settings.policy);
    const { session, done } = await sessions.use(task);
    try {
      return await runInSession(session, task, work);
    } finally {
      done();
    }
  }

  async function reconcile(task: StepTask): Promise<Reconciliation> {
    const lookUp = task.step.do === 'browser.script' ? task.step.with.lookUp : undefined;
    if (!lookUp) return { outcome: 'unknown' };
    const step = { ...task.step, expect: undefined, with: { actions: lookUp.actions } } as PlanStep;
    const planned = plannedLookUp(task.planned);
    const result = await execute({ ...task, step, planned });
    const found = await evaluate(lookUp.found, { inputs: {}, mission: {}, steps: {}, output: result.output });
    return found === true ? { outcome: 'confirmed', result } : { outcome: 'refuted' };
  }

  return {
    name: 'playwright',
    runtime: 'browser',
    handles: ['browser.script', 'browser.task'],
    sessions,
    execute,
    reconcile,
    endRun: (runId, how) => (how === 'ended' ? sessions.end(runId) : sessions.drop(runId)),
    heldRuns: () => sessions.runIds,
    watch: (runId, show) => watchSession(() => sessions.peek(runId), show),
    present: (run) => present(sessions, run),
    personStep: scriptOf,
    printPdf: (html, signal) => printPage(host, html, signal),
    close: () => sessions.close(),
  };
}

function workOf({ step, planned }: StepTask, policy: BrowserPolicy | undefined): Work {
  if (step.do !== 'browser.task')
    return async (script) => {
      await runActions(script, actionsOf(step), argsOf(planned));
      return script.extracted;
    };
  if (!policy)
    throw fail(
      'needs-model',
      'browser.task needs a Skyvern or a model to follow its instruction, and there is neither',
    );
  return (script) => runTask(script, step.with, policy);
}

/** A run that rests where another process had its browser: its cookies are found again, and the page it was on. */
async function present(sessions: Sessions, run: SessionTask): Promise<void> {
  if (sessions.peek(run.runId)?.broken === false || !(await sessions.hasState(run.runId))) return;
  const { session, done } = await sessions.use(run);
  try {
    await session.restoreFront();
  } finally {
    done();
  }
}

async function printPage(host: BrowserHost, html: string, signal: AbortSignal): Promise<Uint8Array> {
  signal.throwIfAborted();
  const { browser, release } = await host.acquire();
  try {
    const context = await browser
      .newContext({ javaScriptEnabled: false, offline: true })
      .catch((error: unknown) => {
        throw fail('browser-crashed', 'the browser went away', { cause: (error as Error).message });
      });
    try {
      const page = await context.newPage();
      await page.setContent(html, { timeout: ACTION_TIMEOUT_MS });
      const margin = { top: '2cm', bottom: '2cm', left: '2cm', right: '2cm' };
      return await page.pdf({ format: 'A4', margin });
    } finally {
      await context.close();
    }
  } finally {
    release();
  }
}

/** The look-up as it stands in the plan, with its expressions. */
function plannedLookUp(planned: PlanStep): PlanStep {
  const actions = planned.do === 'browser.script' ? (planned.with.lookUp?.actions ?? []) : [];
  return { ...planned, with: { actions } } as PlanStep;
}

export function actionsOf(step: PlanStep): BrowserAction[] {
  if (step.do !== 'browser.script') throw fail('bad-arguments', `${step.do} is not a script`);
  return step.with.actions.map((action) => {
    const [[name, args] = []] = Object.entries(action);
    return { name, args } as BrowserAction;
  });
}

/** The arguments of each action as the plan has them, with its expressions. */
const argsOf = (step: PlanStep): Json[] =>
  step.do === 'browser.script' ? step.with.actions.map((action) => Object.values(action)[0] as Json) : [];
