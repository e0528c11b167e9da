import { randomUUID } from 'node:crypto';
import { desktopWireActionSchema, namedAction } from '#events/actions/desktop.js';
import type { DesktopTask } from '#events/actions/task.js';
import type { Json } from '#events/shapes.js';
import { StepFailedError, SuspendedError } from '../../failures/failures.js';
import { sha256 } from '../../log/hash-chain.js';
import { bestIssues } from '../../mission/issues.js';
import type { Past } from '../agent/agent-policy.js';
import { followInstruction } from '../agent/follow-instruction.js';
import { bytesOf } from './act-once.js';
import type { DesktopObservation, DesktopPolicy } from './observation.js';
import { failureOf } from './refusals.js';
import { runAction } from './run-action.js';
import type { DesktopScript } from './script.js';

/** What no other action can mend. */
const FATAL: ReadonlySet<string> = new Set(['desktop-lost', 'no-display', 'screen-locked', 'quota-exceeded']);

/** Carries out an instruction on a desktop. A task that was suspended goes on with what it had done in its memory. */
export async function runTask(
  script: DesktopScript,
  task: DesktopTask,
  policy: DesktopPolicy,
): Promise<void> {
  const { budget, signal, pausing, progress } = script.task;
  const before = ((progress ?? {}) as { past?: Past[] }).past ?? [];
  let known: readonly Past[] = before;
  const done = await followInstruction<DesktopObservation, DesktopTask>({
    task,
    policy,
    budget,
    signal,
    past: before,
    observe: () => observe(script),
    printOf: ({ screenshot, windows }) => sha256(`${sha256(screenshot)}\n${JSON.stringify(windows)}`),
    act: (wanted, index) =>
      act(script, wanted, index).catch((error: unknown) => {
        if (!(error instanceof SuspendedError)) throw error;
        const cut: Past = { action: wanted, outcome: 'failed', error: 'it was interrupted by a person' };
        throw suspendedWith(script, [...known, cut]);
      }),
    between: (past) => {
      known = past;
      if (pausing.aborted) throw suspendedWith(script, past);
    },
  });
  script.extracted.extracted = done.extracted;
  script.extracted.actions = done.actions;
}

const suspendedWith = (script: DesktopScript, past: readonly Past[]): SuspendedError =>
  new SuspendedError({ past: past as unknown as Json, extracted: script.extracted }, script.artifacts);

async function observe(script: DesktopScript): Promise<DesktopObservation> {
  const { seat, frame, task } = script;
  const look = async (action: Parameters<typeof seat.link.act>[0]['action']) => {
    const answer = await seat.link.act(
      { v: 1, id: randomUUID(), action, ...(frame && { frame }) },
      task.signal,
    );
    if (!answer.ok) throw failureOf(answer.error);
    return answer;
  };
  const shot = await look({ screenshot: {} });
  const [cursor, windows] = [await look({ cursor: {} }), await look({ windows: {} })];
  const { width, height } = shot.image!;
  return {
    screenshot: bytesOf(shot.image!),
    width,
    height,
    cursor: cursor.result,
    windows: windows.result,
  };
}

/** Does one action that a policy wants, after it was checked; what it says of itself counts for nothing. */
async function act(script: DesktopScript, wanted: Json, index: number): Promise<Past> {
  const parsed = desktopWireActionSchema.safeParse(wanted);
  if (!parsed.success) {
    const [first] = bestIssues(parsed.error.issues);
    return {
      action: wanted,
      outcome: 'refused',
      error: `${first?.pointer || 'the action'}: ${first?.message}`,
    };
  }
  try {
    // What a model wants to do is made of what the screen shows: the trace tells which action it was, and no more.
    const brought = await runAction(script, { action: namedAction(parsed.data), index, args: {} });
    return { action: wanted, outcome: 'done', extracted: brought };
  } catch (error) {
    if (!(error instanceof StepFailedError) || FATAL.has(error.failure.code)) throw error;
    return { action: wanted, outcome: 'failed', error: error.failure.message };
  }
}
