import { Ajv2020 } from 'ajv/dist/2020.js';
import { browserActionSchema, type BrowserAction } from '#events/actions/browser.js';
import type { BrowserTask } from '#events/actions/task.js';
import type { Json } from '#events/shapes.js';
import { fail, StepFailedError } from '../../../failures/failures.js';
import { bestIssues } from '../../../mission/issues.js';
import { runAction } from '../run-script.js';
import { keepPicture } from '../pictures.js';
import type { Script } from '../script.js';
import type { AgentPolicy, Decision, Observation, Past } from './agent-policy.js';
import { createLoopDetector } from './loop-detector.js';
import { observe, printOf } from './observe.js';

/** Actions of a task that says no number. */
const MOST_ACTIONS = 50;
/** Actions in a row that fail or are refused, after which nobody expects the next one to work. */
const MOST_FAILURES = 5;

/**
 * Carries out an instruction: look, decide, check, act, until the policy says that it is done, gives up, or a rule stops
 * it. The policy only decides; whether the task was carried out, the checks of the step decide.
 */
export async function runTask(
  script: Script,
  task: BrowserTask,
  policy: AgentPolicy,
): Promise<Record<string, Json>> {
  const most = (task.maxActions as number | undefined) ?? MOST_ACTIONS;
  const past: Past[] = [];
  const loops = createLoopDetector();
  if (task.url !== undefined) await runAction(script, { name: 'goto', args: { url: task.url } }, 0, {});
  for (;;) {
    stopIfStuck(past, most);
    const observation = await observe(script);
    const { budget, signal } = script.task;
    const situation = { task, observation, past, left: most - past.length, budget, signal };
    const decision = await policy.decide(situation);
    script.task.signal.throwIfAborted();
    if (decision.kind === 'give-up') throw gaveUp(task, decision);
    if (decision.kind === 'done') {
      const wrong = mismatch(task, decision.extracted ?? null);
      if (wrong === undefined) return finished(script, decision, past);
      past.push({ action: { done: true }, outcome: 'refused', error: wrong });
      continue;
    }
    stopIfLooping(loops, observation, decision.action);
    past.push(await act(script, decision.action, past.length));
  }
}

async function finished(
  script: Script,
  decision: Extract<Decision, { kind: 'done' }>,
  past: readonly Past[],
): Promise<Record<string, Json>> {
  await keepPicture(script).catch(() => undefined);
  return { extracted: decision.extracted ?? null, actions: past.length };
}

function stopIfStuck(past: readonly Past[], most: number): void {
  if (past.length >= most) throw fail('agent-out-of-actions', `the task was not done within ${most} actions`);
  const last = past.slice(-MOST_FAILURES);
  if (last.length === MOST_FAILURES && last.every(({ outcome }) => outcome !== 'done'))
    throw fail('agent-stuck', `${MOST_FAILURES} actions in a row failed`);
}

function stopIfLooping(
  loops: ReturnType<typeof createLoopDetector>,
  observation: Observation,
  action: Json,
): void {
  const round = loops.note(printOf(observation), JSON.stringify(action));
  if (round !== undefined)
    throw fail(
      'agent-loop',
      `the same ${round === 1 ? 'action' : `${round} actions`} again and again, on the same page`,
    );
}

function gaveUp(task: BrowserTask, { code }: Extract<Decision, { kind: 'give-up' }>): Error {
  // The reason is a model's words about a page: only a code that the step itself has given is told.
  const known = code !== undefined && task.errors !== undefined && code in task.errors;
  return fail('task-given-up', `the model gave the task up${known ? ` (${code})` : ''}`);
}

function mismatch({ schema }: BrowserTask, extracted: Json): string | undefined {
  if (!schema) return undefined;
  const ajv = new Ajv2020({ allErrors: true, strict: false });
  if (ajv.validate(schema, extracted)) return undefined;
  return `what was brought back does not fit the schema: ${ajv.errorsText(ajv.errors, { dataVar: 'extracted' })}`;
}

/** Does one action that a policy wants, after it was checked; what it says of itself counts for nothing. */
async function act(script: Script, wanted: Json, index: number): Promise<Past> {
  const checked = checkedAction(wanted);
  if ('refused' in checked) return { action: wanted, outcome: 'refused', error: checked.refused };
  const { action } = checked;
  const before = { ...script.extracted };
  try {
    // What a model wants to do is made of words of the page: the trace tells which action it was, and no more.
    await runAction(script, action, index, {});
  } catch (error) {
    if (!(error instanceof StepFailedError) || FATAL.has(error.failure.code)) throw error;
    return { action: wanted, outcome: 'failed', error: error.failure.message };
  }
  const extracted = news(before, script.extracted);
  return { action: wanted, outcome: 'done', ...(extracted !== undefined && { extracted }) };
}
/** What no other action can mend. */
const FATAL: ReadonlySet<string> = new Set([
  'browser-crashed',
  'dialog-loop',
  'page-hangs',
  'quota-exceeded',
]);

const news = (
  before: Readonly<Record<string, Json>>,
  after: Readonly<Record<string, Json>>,
): Json | undefined => {
  const fresh = Object.entries(after).filter(([name, value]) => before[name] !== value);
  return fresh.length > 0 ? Object.fromEntries(fresh) : undefined;
};

/** One of the actions that a script may have, with elements named by the snapshot's references too. */
function checkedAction(wanted: Json): { action: BrowserAction } | { refused: string } {
  const parsed = browserActionSchema.safeParse(withSelectors(wanted));
  if (parsed.success) {
    const [[name, args] = []] = Object.entries(parsed.data);
    return { action: { name, args } as BrowserAction };
  }
  const [first] = bestIssues(parsed.error.issues);
  return { refused: `${first?.pointer || 'the action'}: ${first?.message}` };
}

/** `{ "ref": "e12" }` as a selector; a reference that is none names nothing. */
function withSelectors(value: Json): Json {
  if (Array.isArray(value)) return value.map(withSelectors);
  if (value === null || typeof value !== 'object') return value;
  const { ref, ...rest } = value;
  const others = Object.fromEntries(Object.entries(rest).map(([key, part]) => [key, withSelectors(part)]));
  if (typeof ref !== 'string') return { ...others, ...(ref !== undefined && { ref }) };
  return /^f?\d*e\d+$/.test(ref) ? { ...others, selector: `aria-ref=${ref}` } : { ...others, ref };
}
