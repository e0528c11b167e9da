import { stateOf, tryEvolve } from '../kernel/kernel.js';
import { stepMachine, type StepFacts, type StepInput, type StepState } from './step.machine.js';

/** A step as it lives in the run's context: its facts and the state the step machine is in. */
export type StepRecord = StepFacts & { readonly state: StepState };

const TERMINAL: ReadonlySet<StepState> = new Set(['succeeded', 'failed']);
export const isFinished = (step: StepRecord): boolean => TERMINAL.has(step.state);

/** Moves a step by the step machine; `undefined` when the machine does not accept the input in the step's state. */
export function moveStep(step: StepRecord, input: StepInput): StepRecord | undefined {
  const { state, ...context } = step;
  const snapshot = stepMachine.resolveState({ value: state, context });
  const next = tryEvolve(stepMachine, snapshot, input);
  return next && { ...next.context, state: stateOf(next) as StepState };
}

/** A step nobody has dispatched yet. */
export const waitingStep = (facts: Pick<StepFacts, 'id' | 'plan' | 'item' | 'approved'>): StepRecord => ({
  attempt: 1,
  intent: false,
  ...facts,
  state: 'waiting',
});
