import { randomUUID } from 'node:crypto';
import { READ_ONLY_DESKTOP_ACTIONS, type DesktopAction } from '#events/actions/desktop.js';
import type { DesktopAnswer, DesktopErrorBody } from '#events/desktop.js';
import type { Json } from '#events/shapes.js';
import type { Trace } from '#events/trace.js';
import { isSafeToRepeat } from '#machines/step/safety.js';
import { fail, InDoubtError, StepFailedError, SuspendedError } from '../../failures/failures.js';
import { PERSON_STEP } from '../driver.js';
import { redacted } from '../redact.js';
import { actOnce } from './act-once.js';
import { DesktopUnreachableError } from './link.js';
import { keepImage, takePicture, wantsPictureOfFailure, wantsPictures } from './pictures.js';
import { failureOf, isOfPerson } from './refusals.js';
import type { DesktopScript, Progress } from './script.js';

interface Asked {
  readonly action: DesktopAction;
  readonly index: number;
  /** What the trace may tell of the arguments. */
  readonly args: Json;
  /** Characters of a text that were typed before the step was suspended. */
  readonly typed?: number;
  /** The script has a button of the mouse down: half a drag cannot go on later. */
  readonly holdsButton?: boolean;
}

/** One action: asked for, traced, explained when it fails, and suspended when the run is to rest in the middle of it. */
export async function runAction(script: DesktopScript, asked: Asked): Promise<Json> {
  const { task } = script;
  const { name } = asked.action;
  if (task.pausing.aborted) throw rests(script, asked, asked.typed ?? 0);
  const changes = task.step.safeToRepeat === false || !READ_ONLY_DESKTOP_ACTIONS.has(name);
  const before = wantsPictures(script, name) ? await takePicture(script) : undefined;
  const tell = traceOf(script, asked, before?.path);
  script.typingIn = name === 'type' ? await activeWindow(script) : undefined;
  // Asked last: whatever took time before must not make the answer old.
  await task.mayAct();
  const answer = await send(script, asked, changes, tell);
  if (!answer.ok) return refused(script, asked, answer.error, tell);
  const after = wantsPictures(script, name) ? await takePicture(script) : undefined;
  tell('done', after && { screenshot: after.path });
  return keepResult(script, asked.action, answer);
}

async function send(
  script: DesktopScript,
  { action, typed = 0 }: Asked,
  changes: boolean,
  tell: Tell,
): Promise<DesktopAnswer> {
  try {
    const answer = await actOnce(script, rest(action, typed));
    script.changedBefore ||= changes && (answer.ok || !answer.error.untouched);
    return answer;
  } catch (error) {
    tell(script.task.signal.aborted ? 'stopped' : 'failed', codeOf(error));
    if (error instanceof DesktopUnreachableError) throw lost(script, error, changes);
    throw error;
  }
}

/** What is left of a text of which a part was typed already. */
function rest(action: DesktopAction, typed: number): DesktopAction {
  if (action.name !== 'type' || typed === 0) return action;
  const text = Array.from(action.args.text.replaceAll('\r\n', '\n')).slice(typed).join('');
  return { ...action, args: { ...action.args, text } };
}

/** The desktop said no. A person who came, or a pause, is no failure: the step goes on later from here. */
async function refused(
  script: DesktopScript,
  asked: Asked,
  error: DesktopErrorBody,
  tell: Tell,
): Promise<never> {
  const byPerson = isOfPerson(error);
  const toRest = byPerson || (error.code === 'canceled' && script.task.pausing.aborted);
  tell(toRest ? 'stopped' : 'failed', { code: error.code });
  // A person who acts from afar is told that another one sits there.
  if (!toRest || script.task.stepId === PERSON_STEP) throw await failed(script, asked, error);
  if (byPerson) await personCame(script);
  throw cutShort(script, asked, error);
}

async function failed(script: DesktopScript, asked: Asked, error: DesktopErrorBody): Promise<Error> {
  if (wantsPictureOfFailure(script)) await takePicture(script);
  if (error.code === 'screen-crashed') return inDoubt(script, failureOf(error), !error.untouched);
  const { failure, untouched } = failureOf(error, whereIs(asked));
  return new StepFailedError(failure, script.artifacts, untouched && !script.changedBefore);
}

/** A text goes on where it stopped, and a look is taken again; half of anything else is in doubt. */
function cutShort(script: DesktopScript, asked: Asked, error: DesktopErrorBody): Error {
  const { name } = asked.action;
  if (error.untouched) return rests(script, asked, asked.typed ?? 0);
  if (READ_ONLY_DESKTOP_ACTIONS.has(name)) return rests(script, asked, 0);
  if (name === 'type' && error.typed !== undefined)
    return rests(script, asked, (asked.typed ?? 0) + error.typed);
  const told = fail('desktop-failed', `${whereIs(asked)}it was stopped half-way on ${script.seat.link.name}`);
  return new InDoubtError(told.failure, script.artifacts);
}

/** The step is over for now: it goes on with this action, or with the rest of its text. */
function rests(script: DesktopScript, { index, holdsButton }: Asked, typed: number): Error {
  if (!holdsButton) return suspended(script, { action: index, typed, window: script.typingIn });
  const told = fail('desktop-failed', `action ${index + 1}: it was stopped while a button was held`);
  return new InDoubtError(told.failure, script.artifacts);
}

const whereIs = ({ index, action }: Asked): string => `action ${index + 1} (${action.name}): `;

/** The run is paused for a person at the desktop: this step waits until it is asked to rest. */
async function personCame({ task, seat }: DesktopScript): Promise<void> {
  seat.met({});
  const { signal, pausing } = task;
  const any = AbortSignal.any([signal, pausing, AbortSignal.timeout(PAUSE_MS)]);
  if (!any.aborted) await new Promise((resolve) => any.addEventListener('abort', resolve, { once: true }));
  signal.throwIfAborted();
}
const PAUSE_MS = 30_000;

const suspended = (
  script: DesktopScript,
  { action, typed, window }: Omit<Progress, 'extracted'>,
): SuspendedError =>
  new SuspendedError(
    { action, typed, extracted: script.extracted, ...(window !== undefined && { window }) },
    script.artifacts,
  );

/** The window that a text goes into. */
async function activeWindow({ seat, task }: DesktopScript): Promise<number | undefined> {
  const answer = await seat.link
    .act({ v: 1, id: randomUUID(), action: { activeWindow: {} } }, task.signal)
    .catch(() => undefined);
  return answer?.ok ? (answer.result as { id?: number } | null)?.id : undefined;
}

/** A desktop that went away in the middle of a change took the answer with it whether the change was made. */
function lost(script: DesktopScript, { desktop, sent }: DesktopUnreachableError, changes: boolean): Error {
  const told = fail('desktop-lost', `the desktop ${desktop} went away`);
  return inDoubt(script, told, sent && changes);
}

function inDoubt(script: DesktopScript, told: StepFailedError, mayHaveActed: boolean): Error {
  const unsafe = !isSafeToRepeat(script.task.step);
  if (unsafe && mayHaveActed) return new InDoubtError(told.failure, script.artifacts);
  return new StepFailedError(told.failure, script.artifacts, unsafe && !script.changedBefore);
}

type Tell = (outcome: Trace['outcome'], more?: Pick<Trace, 'code' | 'screenshot'>) => void;

function traceOf({ task }: DesktopScript, { action, index, args }: Asked, before: string | undefined): Tell {
  const startedAt = new Date().toISOString();
  const from = performance.now();
  return (outcome, more = {}) =>
    task.trace({
      runId: task.runId,
      stepId: task.stepId,
      attempt: task.attempt,
      index,
      runtime: 'desktop',
      driver: 'desktop',
      action: action.name,
      args: redacted(args),
      startedAt,
      durationMs: Math.round((performance.now() - from) * 100) / 100,
      outcome,
      ...(before !== undefined && { screenshotBefore: before }),
      ...more,
    });
}

const codeOf = (error: unknown): { code?: string } =>
  error instanceof StepFailedError
    ? { code: error.failure.code }
    : error instanceof DesktopUnreachableError
      ? { code: 'desktop-lost' }
      : {};

/** What an action brought: under its `name` it stands in the step's output, a picture by its path. */
async function keepResult(
  script: DesktopScript,
  { args }: DesktopAction,
  { result, image }: Extract<DesktopAnswer, { ok: true }>,
): Promise<Json> {
  const brought: Json = image
    ? { path: (await keepImage(script, image)).path, ...(result as object) }
    : result;
  if ('name' in args && args.name !== undefined) script.extracted[args.name] = brought;
  return brought;
}
