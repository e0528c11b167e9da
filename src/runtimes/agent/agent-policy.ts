import type { Json } from '#events/shapes.js';
import type { EffectBudget } from '../../runs/budget.js';

/** What was done so far, and what became of it. */
export interface Past {
  readonly action: Json;
  readonly outcome: 'done' | 'failed' | 'refused';
  /** Why it failed or was refused, in words a policy can act on. */
  readonly error?: string;
  /** What an action that looks has brought. */
  readonly extracted?: Json;
}

export type Decision =
  /** One action of the runtime's script, as a one-key object; it is checked before it is done. */
  | { readonly kind: 'act'; readonly action: Json }
  /** It is done; `extracted` is what the task was to bring back. */
  | { readonly kind: 'done'; readonly extracted?: Json }
  /** It cannot be done; `code` is one of the task’s own `errors`. */
  | { readonly kind: 'give-up'; readonly code?: string; readonly reason: string };

/** What a task in words says, whatever its runtime. */
export interface Instruction {
  readonly instruction: string;
  readonly schema?: Readonly<Record<string, Json>> | undefined;
  readonly errors?: Readonly<Record<string, string>> | undefined;
  readonly maxActions?: number | string | undefined;
}

export interface Situation<Observation, Task extends Instruction = Instruction> {
  readonly task: Task;
  readonly observation: Observation;
  readonly past: readonly Past[];
  /** Actions that may still be taken. */
  readonly left: number;
  readonly budget: EffectBudget;
  readonly signal: AbortSignal;
}

/** The brain of the loop: decides what is done next. It holds nothing and does nothing itself. */
export interface AgentPolicy<Observation, Task extends Instruction = Instruction> {
  readonly name: string;
  decide(situation: Situation<Observation, Task>): Promise<Decision>;
}
