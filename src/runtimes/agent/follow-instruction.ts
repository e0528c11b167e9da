import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Json } from '#events/shapes.js';
import { fail } from '../../failures/failures.js';
import type { EffectBudget } from '../../runs/budget.js';
import type { AgentPolicy, Decision, Instruction, Past } from './agent-policy.js';
import { createLoopDetector, type LoopDetector } from './loop-detector.js';

/** Actions of a task that says no number. */
const MOST_ACTIONS = 50;
/** Actions in a row that fail or are refused, after which nobody expects the next one to work. */
const MOST_FAILURES = 5;

/** The eyes and hands of the loop. */
export interface Body<Observation, Task extends Instruction> {
  readonly task: Task;
  readonly policy: AgentPolicy<Observation, Task>;
  readonly budget: EffectBudget;
  readonly signal: AbortSignal;
  observe(): Promise<Observation>;
  /** The same for two observations that show the same. */
  printOf(observation: Observation): string;
  /** Checks one action and does it. Throws for what no other action can mend. */
  act(action: Json, index: number): Promise<Past>;
  /** What was done before, when the task was suspended in the middle. */
  readonly past?: readonly Past[];
  /** Called between two actions: it may throw, to stop there. */
  readonly between?: (past: readonly Past[]) => void;
}

/**
 * Carries out an instruction: look, decide, check, act, until the policy says that it is done, gives up, or a rule stops
 * it. The policy only decides; whether the task was carried out, the checks of the step decide.
 */
export async function followInstruction<Observation, Task extends Instruction>(
  body: Body<Observation, Task>,
): Promise<{ extracted: Json; actions: number }> {
  const { task, policy, budget, signal } = body;
  const most = (task.maxActions as number | undefined) ?? MOST_ACTIONS;
  const past: Past[] = [...(body.past ?? [])];
  const loops = createLoopDetector();
  for (;;) {
    body.between?.(past);
    stopIfStuck(past, most);
    const observation = await body.observe();
    const decision = await policy.decide({
      task,
      observation,
      past,
      left: most - past.length,
      budget,
      signal,
    });
    signal.throwIfAborted();
    body.between?.(past);
    if (decision.kind === 'give-up') throw gaveUp(task, decision);
    if (decision.kind === 'done') {
      const wrong = mismatch(task, decision.extracted ?? null);
      if (wrong === undefined) return { extracted: decision.extracted ?? null, actions: past.length };
      past.push({ action: { done: true }, outcome: 'refused', error: wrong });
      continue;
    }
    stopIfLooping(loops, body.printOf(observation), decision.action);
    past.push(await body.act(decision.action, past.length));
  }
}

function stopIfStuck(past: readonly Past[], most: number): void {
  if (past.length >= most) throw fail('agent-out-of-actions', `the task was not done within ${most} actions`);
  const last = past.slice(-MOST_FAILURES);
  if (last.length === MOST_FAILURES && last.every(({ outcome }) => outcome !== 'done'))
    throw fail('agent-stuck', `${MOST_FAILURES} actions in a row failed`);
}

function stopIfLooping(loops: LoopDetector, print: string, action: Json): void {
  const round = loops.note(print, JSON.stringify(action));
  if (round !== undefined)
    throw fail(
      'agent-loop',
      `the same ${round === 1 ? 'action' : `${round} actions`} again and again, on the same page`,
    );
}

function gaveUp({ errors }: Instruction, { code }: Extract<Decision, { kind: 'give-up' }>): Error {
  // The reason is a model's words about what it saw: only a code that the step itself has given is told.
  const known = code !== undefined && errors !== undefined && code in errors;
  return fail('task-given-up', `the model gave the task up${known ? ` (${code})` : ''}`);
}

function mismatch({ schema }: Instruction, extracted: Json): string | undefined {
  if (!schema) return undefined;
  const ajv = new Ajv2020({ allErrors: true, strict: false });
  if (ajv.validate(schema, extracted)) return undefined;
  return `what was brought back does not fit the schema: ${ajv.errorsText(ajv.errors, { dataVar: 'extracted' })}`;
}
