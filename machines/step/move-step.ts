import type { SnapshotFrom } from 'xstate';
import { stateOf, tryEvolve } from '../kernel/kernel.js';
import { stepMachine, type StepFacts, type StepInput, type StepState } from './step.machine.js';

/** A step as it lives in the run's context: its facts and the state the step machine is in. */
export type StepRecord = StepFacts & { readonly state: StepState };

const TERMINAL: ReadonlySet<StepState> = new Set(['succeeded', 'failed', 'skipped']);
/** Steps that take one of the places `maxParallel` gives. */
export const BUSY: ReadonlySet<StepState> = new Set(['running', 'verifying', 'reconciling', 'inDoubt']);
export const isFinished = (step: StepRecord): boolean => TERMINAL.has(step.state);

/** Moves a step by the step machine; `undefined` when the machine does not accept the input in the step's state. */
export function moveStep(step: StepRecord, input: StepInput): StepRecord | undefined {
  const { state, ...context } = step;
  const next = tryEvolve(stepMachine, snapshotIn(state, context), input);
  return next && { ...next.context, state: stateOf(next) as StepState };
}

/** Finding the nodes of a state is most of what `resolveState` does, and they are the same for every step in it. */
function snapshotIn(state: StepState, context: StepFacts): SnapshotFrom<typeof stepMachine> {
  const resolved = resolvedStates.get(state) ?? stepMachine.resolveState({ value: state, context });
  resolvedStates.set(state, resolved);
  return { ...resolved, context };
}
const resolvedStates = new Map<StepState, SnapshotFrom<typeof stepMachine>>();

/** A step nobody has dispatched yet. */
export const waitingStep = (facts: Pick<StepFacts, 'id' | 'plan' | 'item' | 'approved'>): StepRecord => ({
  attempt: 1,
  intent: false,
  ...facts,
  state: 'waiting',
});
