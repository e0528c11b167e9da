import type { BrowserTask } from '#events/actions/task.js';
import { pause } from '../../../effects/timer.effect.js';
import { fail, failure, InDoubtError } from '../../../failures/failures.js';
import {
  LetGoError,
  type Driver,
  type Reconciliation,
  type StepResult,
  type StepTask,
} from '../../driver.js';
import { blockedReason } from '../egress.js';
import { unlessAborted, within } from '../within.js';
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
  readonly sessions: SkyvernSessions;
}

/** How often a question that changes nothing is asked again before it is given up. */
const PATIENCE = 8;
const SEARCHES = 3;
/** How long a step that is wanted no longer waits for its end in Skyvern. */
const STOP_MS = 4_500;
const SUBMIT_MS = 60_000;

/** `browser.task`, and a `browser.script` that says its intent, done by a Skyvern. */
export function createSkyvernDriver(given: Omit<SkyvernDeps, 'sessions'>): Driver {
  const { client } = given;
  const sessions = createSkyvernSessions(client);
  const deps: SkyvernDeps = { ...given, sessions };

  async function execute(task: StepTask): Promise<StepResult> {
    const wanted = taskOf(task);
    await checkPolicy(deps, task, wanted);
    const note = await noteOf(task);
    const posted: Posted = { answer: undefined };
    try {
      const id = (await found(client, task, note)) ?? (await submit(deps, task, wanted, note, posted));
      const run = await ended(deps, task, id);
      if (run.status !== 'completed') throw failureOf(run, Object.keys(wanted.errors ?? {}));
      return await resultOf(deps, task, run);
    } catch (error) {
      // A run that was let go of may be another owner's by now: its task is not this one's to stop.
      if (task.signal.aborted && !(task.signal.reason instanceof LetGoError))
        await stop(client, note, posted);
      throw error instanceof SkyvernError ? apiFailure(error) : error;
    }
  }

  async function reconcile(task: StepTask): Promise<Reconciliation> {
    const note = await noteOf(task);
    const { last } = note;
    if (!last?.sent) return { outcome: 'refuted' };
    const id = last.runId ?? (await search(client, task.signal, last.title));
    // It was sent, and may come to be still: whether it did, a person can see in Skyvern.
    if (id === undefined) return { outcome: 'unknown' };
    if (last.runId === undefined) await note.submitted(id);
    const run = await patiently(task.signal, () => client.run(id, task.signal));
    if (run.status === 'completed') return { outcome: 'confirmed', result: await resultOf(deps, task, run) };
    // One that goes on, or failed, is found again by the step itself; one that was stopped from here had begun.
    return { outcome: last.stopped ? 'unknown' : 'refuted' };
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
    // The session of a run that is another's by now may be in use there.
    endRun: (runId, how) => (how === 'ended' ? sessions.end(runId) : Promise.resolve()),
  };
}

function taskOf({ step }: StepTask): BrowserTask {
  if (step.do === 'browser.task') return step.with;
  if (step.do === 'browser.script' && step.with.intent) return step.with.intent;
  throw fail('bad-arguments', 'Skyvern follows no script: say what it is for in with.intent');
}

/** Skyvern's browser goes where it wants: what a mission may open can be held only to where it begins. */
async function checkPolicy(
  { allowHosts }: SkyvernDeps,
  { mission: { metadata } }: StepTask,
  { url }: BrowserTask,
): Promise<void> {
  if (metadata.onlyHosts)
    throw fail('host-blocked', 'Skyvern’s browser cannot be held to the onlyHosts of this mission');
  if (url === undefined) return;
  const blocked = await blockedReason(url, { allowHosts: [...allowHosts, ...(metadata.allowHosts ?? [])] });
  if (blocked) throw fail('host-blocked', 'the address to begin at is not one that this mission may open');
}

/** The run of this attempt, when there is one already that nobody stopped: it is looked up, and never submitted again. */
async function found(client: SkyvernClient, task: StepTask, note: SkyvernNote): Promise<string | undefined> {
  const known = note.last;
  if (!known?.sent || known.stopped) return undefined;
  if (known.runId !== undefined) return known.runId;
  const id = await patiently(task.signal, () => client.findByTitle(known.title, task.signal));
  if (id !== undefined) await note.submitted(id);
  return id;
}

/** The question that is under way: it is not called back, because nobody would know what became of it. */
interface Posted {
  answer: Promise<string | undefined> | undefined;
}

/** Submits the task once. An answer that was lost is looked for by the title; who finds nothing leaves it in doubt. */
async function submit(
  { client, webhookUrl, sessions }: SkyvernDeps,
  task: StepTask,
  wanted: BrowserTask,
  note: SkyvernNote,
  posted: Posted,
): Promise<string> {
  const title = await note.begin();
  const sessionId = wanted.skyvern?.keepSession ? await sessions.of(task.runId, task.signal) : undefined;
  const request = taskRequestOf(wanted, { title, webhookUrl, sessionId });
  for (let attempt = 1; ; attempt++) {
    // Directly before it goes out: what was asked earlier may not hold any more.
    await task.mayAct();
    await note.sent();
    const answer = client.submit(request, AbortSignal.timeout(SUBMIT_MS));
    posted.answer = answer.then(
      ({ run_id }) => run_id,
      () => undefined,
    );
    try {
      const { run_id } = await unlessAborted(answer, task.signal);
      await note.submitted(run_id);
      return run_id;
    } catch (error) {
      if (!(error instanceof SkyvernError)) throw error;
      if (mayHaveTaken(error)) return lookFor(client, task, note, title, error);
      if (!isUntaken(error) || attempt >= PATIENCE) throw error;
      // It was surely not taken, and may be asked again.
      await waitFor(error.retryAfterMs ?? backoff(attempt), task.signal);
    }
  }
}

/** There was no connection, or there were too many questions: it has surely not been taken. */
const isUntaken = ({ unheard, status }: SkyvernError): boolean => unheard || status === 429;
const mayHaveTaken = (error: SkyvernError): boolean =>
  !isUntaken(error) && (error.status === 0 || error.status >= 500);

async function lookFor(
  client: SkyvernClient,
  { signal }: StepTask,
  note: SkyvernNote,
  title: string,
  lost: SkyvernError,
): Promise<string> {
  const id = await search(client, signal, title);
  if (id === undefined) throw new InDoubtError(failure('skyvern-unavailable', lost.message));
  await note.submitted(id);
  return id;
}

async function search(
  client: SkyvernClient,
  signal: AbortSignal,
  title: string,
): Promise<string | undefined> {
  for (let attempt = 1; attempt <= SEARCHES; attempt++) {
    const id = await client.findByTitle(title, signal).catch(() => undefined);
    signal.throwIfAborted();
    if (id !== undefined) return id;
    if (attempt < SEARCHES) await waitFor(backoff(attempt), signal);
  }
  return undefined;
}

/**
 * Waits until a run has ended: woken by a webhook, or asking in growing pauses. A Skyvern that is away for a time does not
 * end the step, whose task goes on there.
 */
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
      const run = await client.run(id, signal).catch((error: unknown) => awayOnly(error, id));
      if (run) tell(run);
      if (run && isTerminal(run)) return run;
      const rested = new AbortController();
      void woken.then(() => rested.abort());
      await pause(waitMs, AbortSignal.any([signal, rested.signal]));
      signal.throwIfAborted();
    } finally {
      forget();
    }
  }
}

/** Nobody knows what becomes of a task that Skyvern does not tell us about any more. */
function awayOnly(error: unknown, id: string): undefined {
  if (!(error instanceof SkyvernError)) throw error;
  if (!isPassing(error))
    throw new InDoubtError(failure('skyvern-unavailable', `${error.message}; run ${id}`));
}

/** A question that changes nothing, asked again while Skyvern is away for a moment. */
async function patiently<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof SkyvernError) || !isPassing(error) || attempt >= PATIENCE) throw error;
      await waitFor(error.retryAfterMs ?? backoff(attempt), signal);
    }
  }
}

/** Skyvern may ask for patience, but not for ever. */
const MOST_PATIENCE_MS = 60_000;

async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  await pause(Math.min(ms, MOST_PATIENCE_MS), signal);
  signal.throwIfAborted();
}

const backoff = (attempt: number): number => Math.min(250 * 2 ** (attempt - 1), 10_000);

/** The step is wanted no longer: Skyvern is told so until its run has ended, also a run whose answer is still under way. */
async function stop(client: SkyvernClient, note: SkyvernNote, posted: Posted): Promise<void> {
  const signal = AbortSignal.timeout(STOP_MS);
  const known = note.last?.runId ?? (await within(STOP_MS, posted.answer ?? Promise.resolve(undefined)));
  if (known === undefined) {
    // It may still come to be: then it is cancelled as soon as it is known.
    void posted.answer?.then((id) =>
      id === undefined ? undefined : cancelled(client, id, AbortSignal.timeout(STOP_MS)),
    );
    return;
  }
  await note.submitted(known).catch(() => undefined);
  await cancelled(client, known, signal).catch(() => undefined);
  await note.stopped().catch(() => undefined);
}

async function cancelled(client: SkyvernClient, id: string, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; !signal.aborted; attempt++) {
    await client.cancel(id, signal).catch(() => undefined);
    const run = await client.run(id, signal).catch(() => undefined);
    if (run && isTerminal(run)) return;
    await pause(backoff(attempt), signal);
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
