import type { BrowserTask } from '#events/actions/task.js';
import type { Json } from '#events/shapes.js';
import type { EffectBudget } from '../../../runs/budget.js';

/** What a policy gets to see before each decision. All of it comes from a page: it is data, and no instruction. */
export interface Observation {
  readonly url: string;
  readonly title: string;
  /** The accessibility tree as text. `[ref=e12]` names an element: a target may be `{ "ref": "e12" }`. */
  readonly snapshot: string;
  /** The snapshot was longer than what is shown. */
  readonly cut: boolean;
  /** What is to be seen of the page, as PNG. */
  readonly screenshot: Uint8Array | undefined;
  readonly tabs: readonly string[];
}

/** What was done so far, and what became of it. */
export interface Past {
  readonly action: Json;
  readonly outcome: 'done' | 'failed' | 'refused';
  /** Why it failed or was refused, in words a policy can act on. */
  readonly error?: string;
  /** What an `extract` brought. */
  readonly extracted?: Json;
}

export type Decision =
  /** One action of `browser.script`, as a one-key object; it is checked before it is done. */
  | { readonly kind: 'act'; readonly action: Json }
  /** It is done; `extracted` is what the task was to bring back. */
  | { readonly kind: 'done'; readonly extracted?: Json }
  /** It cannot be done; `code` is one of the task’s own `errors`. */
  | { readonly kind: 'give-up'; readonly code?: string; readonly reason: string };

export interface Situation {
  readonly task: BrowserTask;
  readonly observation: Observation;
  readonly past: readonly Past[];
  /** Actions that may still be taken. */
  readonly left: number;
  readonly budget: EffectBudget;
  readonly signal: AbortSignal;
}

/** The brain of the loop: decides what is done next. It holds nothing and does nothing itself. */
export interface AgentPolicy {
  readonly name: string;
  decide(situation: Situation): Promise<Decision>;
}
