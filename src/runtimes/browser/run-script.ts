import type { BrowserAction } from '#events/actions/browser.js';
import type { Json } from '#events/shapes.js';
import { fail, InDoubtError, StepFailedError } from '../../failures/failures.js';
import type { StepResult, StepTask } from '../driver.js';
import { isSafeToRepeat } from '#machines/step/safety.js';
import { READ_ONLY_BROWSER_ACTIONS } from '#events/actions/browser.js';
import { performAction } from './actions/perform.js';
import { checkDocument } from './documents.js';
import { explain } from './explain.js';
import { seenAtEnd } from './facts.js';
import { createNetworkLog } from './network-log.js';
import { startRecording, type Recording } from './recording.js';
import type { Dialogs, Script } from './script.js';
import type { BrowserSession } from './session.js';
import { traced } from './trace-actions.js';
import { unlessAborted, within } from './within.js';
import { watchTabs } from './watch-tabs.js';

/** Something to do on the tabs of a step; what it returns goes into the step's output. */
export type Work = (script: Script) => Promise<Record<string, Json>>;

/** Does a step's work in its run's browser, and gathers what proves it. */
export async function runInSession(session: BrowserSession, task: StepTask, work: Work): Promise<StepResult> {
  const script = await openScript(session, task);
  // A page that hangs answers no call, also not one that is to end: the signals alone must end the step.
  const stopped = AbortSignal.any([task.signal, session.gone]);
  const recording = startRecording(script);
  const working = recording.then((started) => finish(script, work, started));
  try {
    return await unlessAborted(working, stopped);
  } catch (error) {
    // Nobody waits for the recording of a step that is to stop, but a call that is under way gets a moment to end.
    const kept = recording.then((started) => started.stop()).catch(() => undefined);
    if (task.signal.aborted)
      await within(
        SETTLE_MS,
        working.catch(() => undefined),
      );
    task.signal.throwIfAborted();
    await kept;
    throw outcomeOf(script, error);
  } finally {
    script.stop();
    session.leavePages(task.stepId, script.tabs);
    if (!task.signal.aborted) await session.save().catch(() => undefined);
  }
}
const SETTLE_MS = 150;

/** A browser that went away in the middle of a change took the answer with it whether the change was made. */
function outcomeOf(script: Script, error: unknown): unknown {
  const told = isGone(error) ? fail('browser-crashed', 'the browser went away') : error;
  if (!(told instanceof StepFailedError)) return error;
  const unsafe = !isSafeToRepeat(script.task.step);
  if (!script.changed) return new StepFailedError(told.failure, told.artifacts, unsafe);
  const inDoubt = unsafe && told.failure.code === 'browser-crashed';
  return inDoubt ? new InDoubtError(told.failure, told.artifacts) : told;
}

const isGone = (error: unknown): boolean =>
  !(error instanceof StepFailedError) && /has been closed|crashed/i.test((error as Error).message);

async function finish(script: Script, work: Work, recording: Recording): Promise<StepResult> {
  const extracted = await work(script);
  const { page, task } = script;
  await checkDocument(script);
  // A wait that was cut short has not succeeded.
  task.signal.throwIfAborted();
  const end = await within(END_MS, Promise.all([seenAtEnd(script), page.title()]));
  if (!end) throw hangs(script, 'at the end');
  const [seen, title] = end;
  await recording.stop();
  const output = {
    url: page.url(),
    title,
    status: script.session.network.documentOf(page)?.status ?? null,
    ...extracted,
    ...(seen !== undefined && { seen }),
  };
  const evidence = [...script.network.evidence(), ...script.evidence];
  return { output, content: true, artifacts: script.artifacts, evidence };
}

/** The actions of a script, one after the other. `planned` are the same as the plan has them. */
export async function runActions(
  script: Script,
  actions: readonly BrowserAction[],
  planned: readonly Json[],
): Promise<void> {
  for (const [index, action] of actions.entries())
    await runAction(script, action, index, planned[index] ?? {});
}

/** One action: asked for, traced, and explained when it fails. `args` is what the trace may tell of it. */
export async function runAction(
  script: Script,
  action: BrowserAction,
  index: number,
  args: Json,
): Promise<void> {
  await mayAct(script, action);
  await traced(script, { action, index, args }, () => actOnce(script, action, index));
}

/** Asks once more before every action: whether the run is still this owner's, and whether the step is still wanted. */
async function mayAct(script: Script, { name }: BrowserAction): Promise<void> {
  await script.task.mayAct();
  script.signal.throwIfAborted();
  // A step that calls itself unsafe may change something with whatever it does.
  script.changed ||= script.task.step.safeToRepeat === false || !READ_ONLY_BROWSER_ACTIONS.has(name);
}

async function actOnce(script: Script, action: BrowserAction, index: number): Promise<void> {
  try {
    await performAction(script, action);
  } catch (error) {
    script.task.signal.throwIfAborted();
    const told = await within(EXPLAIN_MS, explain(script, action, index, error));
    throw told ?? hangs(script, `action ${index + 1} (${action.name})`);
  }
}

/** A page whose own script does not end answers nothing, also not what is wrong with it. */
const hangs = (script: Script, where: string): Error =>
  fail('page-hangs', `${where}: the page does not answer any more`, {
    evidence: [...script.network.evidence(), ...script.evidence],
  });
const EXPLAIN_MS = 15_000;
const END_MS = 20_000;

interface OpenScript extends Script {
  stop(): void;
}

async function openScript(session: BrowserSession, task: StepTask): Promise<OpenScript> {
  const plain = new Set(stringsIn([task.planned.with as Json, task.mission.inputs]));
  const over = new AbortController();
  const dialogs: Dialogs = { answer: undefined, count: 0, flood: new AbortController() };
  const tabs: Script['tabs'] = [];
  const network = createNetworkLog(session.network, tabs, plain);
  const watched = watchTabs({ tabs, dialogs });
  const page = await session.takePage(task.stepId, task.step.needs ?? []);
  watched.add(page);
  const judged = new WeakSet<object>();
  const left = session.network.documentOf(page);
  if (left) judged.add(left);
  return {
    session,
    task,
    tabs,
    addTab: watched.add,
    stop: () => {
      over.abort(new Error('the step is over'));
      network.stop();
      watched.stop();
    },
    page,
    scope: page,
    network,
    say: (words) => (plain.has(words) ? JSON.stringify(words) : '…'),
    dialogs,
    signal: AbortSignal.any([task.signal, session.gone, dialogs.flood.signal, over.signal]),
    extracted: {},
    artifacts: [],
    evidence: [],
    changed: false,
    judged,
  };
}

/** The texts of a value, at any depth. */
function stringsIn(value: Json): string[] {
  if (typeof value === 'string') return [value];
  if (value === null || typeof value !== 'object') return [];
  return Object.values(value).flatMap(stringsIn);
}
