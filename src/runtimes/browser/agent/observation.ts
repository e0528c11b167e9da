import type { BrowserTask } from '#events/actions/task.js';
import type { AgentPolicy, Situation } from '../../agent/agent-policy.js';

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

export type BrowserPolicy = AgentPolicy<Observation, BrowserTask>;
export type BrowserSituation = Situation<Observation, BrowserTask>;
