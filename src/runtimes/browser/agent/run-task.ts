import { browserActionSchema, type BrowserAction } from '#events/actions/browser.js';
import type { BrowserTask } from '#events/actions/task.js';
import type { Json } from '#events/shapes.js';
import { StepFailedError } from '../../../failures/failures.js';
import { bestIssues } from '../../../mission/issues.js';
import { runAction } from '../run-script.js';
import { keepPicture } from '../pictures.js';
import type { Script } from '../script.js';
import type { Past } from '../../agent/agent-policy.js';
import { followInstruction } from '../../agent/follow-instruction.js';
import type { BrowserPolicy } from './observation.js';
import { observe, printOf } from './observe.js';

/** Carries out an instruction in a browser. */
export async function runTask(
  script: Script,
  task: BrowserTask,
  policy: BrowserPolicy,
): Promise<Record<string, Json>> {
  if (task.url !== undefined) await runAction(script, { name: 'goto', args: { url: task.url } }, 0, {});
  const done = await followInstruction({
    task,
    policy,
    budget: script.task.budget,
    signal: script.task.signal,
    observe: () => observe(script),
    printOf,
    act: (wanted, index) => act(script, wanted, index),
  });
  await keepPicture(script).catch(() => undefined);
  return done;
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
