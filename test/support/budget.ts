import type { EffectBudget } from '../../src/runs/budget.js';
import type { StepTask } from '../../src/runtimes/driver.js';

/** A budget that is never used up, and that nobody adds up. */
export const NO_LIMITS: EffectBudget = { reserve: () => ({ settle: () => undefined }), used: undefined };

/** What a step task has besides, when nothing comes in between: no limits, no pause, no second owner. */
export const UNTROUBLED = {
  budget: NO_LIMITS,
  pausing: new AbortController().signal,
  fence: { epoch: 1, control: 0 },
  waitFor: () => () => undefined,
} as const satisfies Partial<StepTask>;
