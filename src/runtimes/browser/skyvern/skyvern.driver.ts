import type { BrowserTask } from '#events/actions/task.js';
import { pause } from '../../../effects/timer.effect.js';
import { fail, failure, InDoubtError } from '../../../failures/failures.js';
import type { Driver, Reconciliation, StepResult, StepTask } from '../../driver.js';
import { keepFiles } from './keep-files.js';
import { apiFailure, failureOf, isPassing } from './outcome.js';
import { noteOf, type SkyvernNote } from './skyvern-note.js';
import { isTerminal, SkyvernError, type SkyvernClient, type SkyvernRun } from './skyvern.client.js';
import { createSkyvernSessions, type SkyvernSessions } from './skyvern-sessions.js';
import { taskRequestOf } from './task-request.js';
import type { SkyvernWakeUps } from './webhook.js';

export interface SkyvernDeps {
  readonly client: SkyvernClient;
  readonly wakeUps: SkyvernWakeUps;
  /** Where Skyvern can tell us that a run has ended; without it, it is asked again and again alone. */
  readonly webhookUrl?: string | undefined;
  /** Pause between two questions, at first and at most, in milliseconds. */
  readonly pollMs: readonly [first: number, most: number];
  /** Hosts inside the own network from which files may be fetched: Skyvern's own. */
  readonly allowHosts: readonly string[];
}

/** How often a question that Skyvern did not answer is asked again before the step fails. */
const PATIENCE = 8;
const SEARCHES = 3;
const STOP_MS = 5_000;

/** `browser.task`, and a `browser.script` that says its intent, done by a Skyvern. */
export function createSkyvernDriver(deps: SkyvernDeps): Driver {
  const { client } = deps;
  const sessions = createSkyvernSessions(client);

  async function execute(task: StepTask): Promise<StepResult> {
    const wanted = taskOf(task);
    const note = await noteOf(task);
    try {
      const id = (await found(task, note)) ?? (await submit({ ...deps, sessions }, task, wanted, note));
      const run = await ended(deps, task, id);
      if (run.status !== 'completed') throw failureOf(run, Object.keys(wanted.errors ?? {}));
      return await resultOf(deps, task, run);
    } catch (error) {
      if (task.signal.aborted) await stop(client, note);
      throw error instanceof SkyvernError ? apiFailure(error) : error;
    }
  }

  /** The run of this attempt, when there is one already that nobody stopped: it is looked up, and never submitted again. */
  async function found(task: StepTask, note: SkyvernNote): Promise<string | undefined> {
    const known = note.last;
    if (!known || known.stopped) return undefined;
    if (known.runId !== undefined) return known.runId;
    const id = await patiently(task.signal, () => client.findByTitle(known.title, task.signal));
    if (id !== undefined) await note.submitted(id);
    return id;
  }

  async function reconcile(task: StepTask): Promise<Reconciliation> {
    const note = await noteOf(task);
    const id = await found(task, note);
    // Nothing was submitted, or what was is still to be waited for: the step goes on, and finds it by this note.
    if (id === undefined) return { outcome: 'refuted' };
    const run = await patiently(task.signal, () => client.run(id, task.signal));
    if (run.status !== 'completed') return { outcome: 'refuted' };
    return { outcome: 'confirmed', result: await resultOf(deps, task, run) };
  }

  return {
    name: 'skyvern',
    runtime: 'browser',
    handles: ['browser.task', 'browser.script'],
    prefers: ['browser.task'],
    execute,
    reconcile,
    elsewhere: sessions.pageOf,
    heldRuns: () => sessions.runIds,
    endRun: (runId) => sessions.end(runId),
    close: () => sessions.close(),
  };
}

function taskOf({ step }: StepTask): BrowserTask {
  if (step.do === 'browser.task') return step.with;
  if (step.do === 'browser.script' && step.with.intent) return step.with.intent;
  throw fail('bad-arguments', 'Skyvern follows no script: say what it is for in with.intent');
}

/** Submits the task once. An answer that was lost is looked for by the title; who finds nothing leaves it in doubt. */
async function submit(
  { client, webhookUrl, sessions }: SkyvernDeps & { sessions: SkyvernSessions },
  task: StepTask,
  wanted: BrowserTask,
  note: SkyvernNote,
): Promise<string> {
  const title = await note.begin();
  await task.mayAct();
  const sessionId = wanted.skyvern?.keepSession ? await sessions.of(task.runId, task.signal) : undefined;
  const request = taskRequestOf(wanted, { title, webhookUrl, sessionId });
  for (let attempt = 1; ; attempt++) {
    try {
      const { run_id } = await client.submit(request, task.signal);
      await note.submitted(run_id);
      return run_id;
    } catch (error) {
      if (!(error instanceof SkyvernError)) throw error;
      if (error.status === 0 || error.status >= 500) return lookFor(client, task, note, title, error);
      if (!isPassing(error) || attempt >= PATIENCE) throw error;
      // Too many requests: this one was not taken.
      await pause(error.retryAfterMs ?? backoff(attempt), task.signal);
      task.signal.throwIfAborted();
    }
  }
}

async function lookFor(
  client: SkyvernClient,
  { signal }: StepTask,
  note: SkyvernNote,
  title: string,
  lost: SkyvernError,
): Promise<string> {
  for (let attempt = 1; attempt <= SEARCHES; attempt++) {
    const id = await client.findByTitle(title, signal).catch(() => undefined);
    if (id !== undefined) {
      await note.submitted(id);
      return id;
    }
    await pause(backoff(attempt), signal);
    signal.throwIfAborted();
  }
  throw new InDoubtError(failure('skyvern-unavailable', lost.message));
}

/** Waits until a run has ended: woken by a webhook, or asking in growing pauses. */
async function ended(
  { client, wakeUps, pollMs }: SkyvernDeps,
  task: StepTask,
  id: string,
): Promise<SkyvernRun> {
  const { signal } = task;
  const [first, most] = pollMs;
  const tell = statusTraces(task, id);
  for (let waitMs = first; ; waitMs = Math.min(waitMs * 1.5, most)) {
    const { woken, forget } = wakeUps.next(id);
    try {
      const run = await patiently(signal, () => client.run(id, signal));
      tell(run);
      if (isTerminal(run)) return run;
      const rested = new AbortController();
      void woken.then(() => rested.abort());
      await pause(waitMs, AbortSignal.any([signal, rested.signal]));
      signal.throwIfAborted();
    } finally {
      forget();
    }
  }
}

/** Tells the trace stream of every status that a run comes to. */
function statusTraces({ runId, stepId, attempt, trace }: StepTask, id: string): (run: SkyvernRun) => void {
  let last: string | undefined;
  let index = 0;
  let since = performance.now();
  return ({ status }) => {
    if (status === last) return;
    last = status;
    const durationMs = Math.round(performance.now() - since);
    since = performance.now();
    trace({
      runId,
      stepId,
      attempt,
      index: index++,
      runtime: 'browser',
      driver: 'skyvern',
      action: 'status',
      args: { run: id, status },
      startedAt: new Date().toISOString(),
      durationMs,
      outcome: 'done',
    });
  };
}

/** A question that changes nothing, asked again while Skyvern is away for a moment. */
async function patiently<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof SkyvernError) || !isPassing(error) || attempt >= PATIENCE) throw error;
      await pause(error.retryAfterMs ?? backoff(attempt), signal);
      signal.throwIfAborted();
    }
  }
}

const backoff = (attempt: number): number => Math.min(250 * 2 ** (attempt - 1), 10_000);

/** The step is no longer wanted: Skyvern is told so, and its run counts as stopped by us. */
async function stop(client: SkyvernClient, note: SkyvernNote): Promise<void> {
  const id = note.last?.runId;
  if (id === undefined || note.last?.stopped) return;
  await note.stopped();
  await client.cancel(id, AbortSignal.timeout(STOP_MS)).catch(() => undefined);
}

async function resultOf(deps: SkyvernDeps, task: StepTask, run: SkyvernRun): Promise<StepResult> {
  const { artifacts, downloads } = await keepFiles(deps, task, run);
  const output = {
    run: run.run_id,
    status: run.status,
    extracted: run.output ?? null,
    downloads,
    steps: run.step_count ?? null,
  };
  const evidence = downloads.map(({ path, digest, bytes }) => ({
    kind: 'file' as const,
    path,
    digest,
    bytes,
  }));
  return { output, content: true, artifacts, evidence };
}
