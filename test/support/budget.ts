import type { EffectBudget } from '../../src/runs/budget.js';

/** A budget that is never used up, and that nobody adds up. */
export const NO_LIMITS: EffectBudget = { reserve: () => ({ settle: () => undefined }), used: undefined };
