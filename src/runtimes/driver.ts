import type { Mission } from '#events/mission.js';
import type { PlanStep, Runtime } from '#events/plan.js';
import type { Artifact, Evidence, Json } from '#events/shapes.js';
import type { Trace } from '#events/trace.js';
import type { EffectBudget } from '../runs/budget.js';
import type { LiveFrame, LiveInput, LiveView, PersonStep } from './live-view.js';
import type { RunFiles } from '../agentfs/agentfs.js';

/** What a driver is asked to do: a step whose expressions are resolved. */
export interface StepTask {
  readonly runId: string;
  readonly stepId: string;
  readonly attempt: number;
  readonly step: PlanStep;
  /** The same as it stands in the plan, with its expressions: what may be told of it. */
  readonly planned: PlanStep;
  /** The same for every try at the same effect: `<runId>/<stepId>`. */
  readonly idempotencyKey: string;
  readonly mission: Pick<Mission, 'metadata' | 'inputs'>;
  readonly files: RunFiles;
  /** Aborted when the step must stop: pause, cancel, time-out, a lost run, shutdown. */
  readonly signal: AbortSignal;
  /**
   * Aborted when the run is to come to rest, though this step may not be cut off: a driver that can go on later stops
   * between two acts and throws a SuspendedError. One that cannot, finishes.
   */
  readonly pausing: AbortSignal;
  /** Where this attempt was suspended: what the driver said then. */
  readonly progress?: Json | undefined;
  /** Rises with every change of the run's owner, and with every taking of its controls by a person. */
  readonly fence: { readonly epoch: number; readonly control: number };
  /** The step waits for something that nobody here can hurry: its time-out stands still until the returned function is called. */
  readonly waitFor: (what: string) => () => void;
  /** Rejects once another owner may have the run: a driver awaits it before each action that changes something. */
  mayAct(): Promise<void>;
  /** What this step may spend on models: reserved before a call, settled after it. */
  readonly budget: EffectBudget;
  /** Tells what one action did. Nothing waits for it. */
  readonly trace: (trace: Trace) => void;
}

export interface StepResult {
  readonly output: Json;
  /** The output holds page or file content: it is kept as an artifact and never enters the log. */
  readonly content: boolean;
  readonly artifacts?: Artifact[];
  readonly evidence?: Evidence[];
}

export type Reconciliation =
  | { readonly outcome: 'confirmed'; readonly result: StepResult }
  | { readonly outcome: 'refuted' | 'unknown' };

/**
 * Why a step is stopped when its run was let go of, by a fault or because it may be another owner's by now: what was begun
 * for it elsewhere is not to be undone from here. Any other reason means that the step itself is wanted no longer.
 */
export class LetGoError extends Error {
  readonly code = 'let-go';
  constructor() {
    super('the run was let go of');
    this.name = 'LetGoError';
  }
}

/** The id of the steps that a person does who has the controls. */
export const PERSON_STEP = 'takeover';

export type RunEnd = 'ended' | 'lost';

/** The thing that does it. A driver throws StepFailedError for what a person should know. */
export interface Driver {
  readonly name: string;
  readonly runtime: Runtime;
  readonly handles: readonly PlanStep['do'][];
  /** Of what it handles, what it is asked before others that handle it too. */
  readonly prefers?: readonly PlanStep['do'][];
  execute(task: StepTask): Promise<StepResult>;
  /** Looks whether an interrupted act took effect. Without it nobody can tell. */
  reconcile?(task: StepTask): Promise<Reconciliation>;
  /** What is held for a run is let go: the run has ended, or another process has it. */
  endRun?(runId: string, how: RunEnd): Promise<void>;
  /** Runs for which something is held. */
  heldRuns?(): readonly string[];
  /** Shows what there is to be seen of a run, now and whenever it changes. */
  watch?(runId: string, show: (frame: LiveFrame) => void): LiveView;
  /** Where else a person can look at a run: the address of a page. */
  elsewhere?(runId: string): string | undefined;
  /** Sets up what a person who takes the controls is to see, if the run had something open and it is gone by now. */
  present?(run: Pick<StepTask, 'runId' | 'mission' | 'signal'>): Promise<void>;
  /** What a person does to the screen, as a step of this driver. */
  readonly personStep?: (input: LiveInput) => PersonStep;
  close?(): Promise<void>;
}
