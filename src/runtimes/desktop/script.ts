import type { DesktopFrame } from '#events/desktop.js';
import type { Artifact, Json } from '#events/shapes.js';
import type { StepTask } from '../driver.js';
import type { Seat } from './seat.js';

/** What missions may do on this process's own desktop, besides what they are allowed themselves. */
export interface OwnRules {
  readonly apps: readonly string[];
  readonly folders: readonly string[];
  /** Where the runs' folders lie: each run may look into its own. */
  readonly agentFsRoot: string;
}

/** A step at work on a desktop, and what it has gathered so far. */
export interface DesktopScript {
  readonly task: StepTask;
  readonly seat: Seat;
  readonly frame: DesktopFrame | undefined;
  readonly rules: OwnRules;
  readonly extracted: Record<string, Json>;
  readonly artifacts: Artifact[];
  /** An earlier action of the step may have changed something. */
  changedBefore: boolean;
  /** The window that the text of the action under way goes into. */
  typingIn?: number | undefined;
}

/** Where a script was suspended: the action that comes next, and how much of its text was typed already. */
export interface Progress {
  readonly action: number;
  readonly typed: number;
  /** The window that the rest of the text belongs to. */
  readonly window?: number | undefined;
  readonly extracted: Record<string, Json>;
}

export const NO_PROGRESS: Progress = { action: 0, typed: 0, extracted: {} };
