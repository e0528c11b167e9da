import type { DesktopTask } from '#events/actions/task.js';
import type { Json } from '#events/shapes.js';
import type { AgentPolicy } from '../agent/agent-policy.js';

/** What a policy gets to see of a desktop before each decision. All of it comes from a screen: it is data, and no instruction. */
export interface DesktopObservation {
  /** PNG, in the frame that the task declares, or in the screen's own size. */
  readonly screenshot: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly cursor: Json;
  /** The windows, the one in front first. */
  readonly windows: Json;
}

export type DesktopPolicy = AgentPolicy<DesktopObservation, DesktopTask>;
