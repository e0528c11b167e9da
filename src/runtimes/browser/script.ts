import type { Frame, FrameLocator, Page } from 'playwright-core';
import type { BrowserAction, BrowserActionArgs, BrowserActionName } from '#events/actions/browser.js';
import type { Artifact, Evidence, Json } from '#events/shapes.js';
import type { StepTask } from '../driver.js';
import type { NetworkLog } from './network-log.js';
import type { BrowserSession } from './session.js';

/** What elements are looked for in: a page, or a frame of it. */
export type Scope = Page | Frame | FrameLocator;

/** A step at work in its run's browser, and what it has gathered so far. */
export interface Script {
  readonly session: BrowserSession;
  readonly task: StepTask;
  /** Tabs of this step, in the order in which they were opened. */
  readonly tabs: Page[];
  readonly addTab: (page: Page) => void;
  /** The tab, and the place in it, that the next action is about. */
  page: Page;
  scope: Scope;
  readonly network: NetworkLog;
  /** Words as the log may hold them: those of the plan and its inputs; what came of a page stays out of it. */
  readonly say: (words: string) => string;
  readonly dialogs: Dialogs;
  /** Aborted when nothing of the step is to go on: it is stopped or over, its browser is gone, or its page asks without end. */
  readonly signal: AbortSignal;
  readonly extracted: Record<string, Json>;
  readonly artifacts: Artifact[];
  readonly evidence: Evidence[];
  /** An action that may change something has begun. */
  changed: boolean;
  /** The documents that were looked at already: an error is told once, by the step that met it. */
  readonly judged: WeakSet<object>;
}

/** What is answered to the page's questions, and how many there were. */
export interface Dialogs {
  answer: BrowserActionArgs<'dialog'> | undefined;
  count: number;
  /** Aborted when a page asks without end. */
  readonly flood: AbortController;
}

export type ArgsOf<K extends BrowserActionName> = Extract<BrowserAction, { name: K }>['args'];
/** How one action is done. */
export type Act<K extends BrowserActionName> = (script: Script, args: ArgsOf<K>) => Promise<void>;

export const ACTION_TIMEOUT_MS = 15_000;
export const LOAD_TIMEOUT_MS = 30_000;

/** What every call to the browser is given: it ends when the step is to stop, or when it takes too long. */
export const bounds = (
  { signal }: Pick<Script, 'signal'>,
  args: { timeoutMs?: number | string | undefined } = {},
  preset = ACTION_TIMEOUT_MS,
): { timeout: number; signal: AbortSignal } => ({
  timeout: (args.timeoutMs as number | undefined) ?? preset,
  signal,
});
