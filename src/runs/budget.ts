import type { Limits } from '#events/mission.js';
import type { Usage } from '#events/shapes.js';
import type { RunContext } from '#machines/run/run.context.js';

/** A limit does not leave room for what was to be spent next; nothing was spent. The run pauses. */
export class BudgetExhaustedError extends Error {
  readonly code = 'budget-exhausted';
  constructor(
    readonly budget: keyof Limits & `max${'Steps' | 'Tokens' | 'CostUsd'}`,
    readonly limit: number,
    readonly wanted: number,
  ) {
    super(`limits.${budget} is ${limit}; ${wanted} would be needed`);
    this.name = 'BudgetExhaustedError';
  }
}

/** What one effect may spend. */
export interface EffectBudget {
  /** Sets aside the most that a call may cost, before it is made; throws BudgetExhaustedError when it is not there. */
  reserve(most: Usage): Reservation;
  /** What was settled so far; nothing, when nothing was spent. */
  readonly used: Usage | undefined;
}

export interface Reservation {
  /** Gives back what was set aside and notes what the call really cost. To be called once, also after a failed call. */
  settle(actual: Usage): void;
}

const NOTHING: Usage = { tokens: 0, costUsd: 0 };
const sum = (left: Usage, right: Usage): Usage => ({
  tokens: left.tokens + right.tokens,
  costUsd: left.costUsd + right.costUsd,
});

/** The budgets of a run's effects: what one has reserved, or has spent and not yet told the log, is gone for the others. */
export interface Budgets {
  open(effectId: string): EffectBudget;
  /** The log has what this effect spent, or it spent nothing that counts. */
  close(effectId: string): void;
}

export function createBudgets(context: () => Pick<RunContext, 'limits' | 'spent'>): Budgets {
  const held = new Map<string, { used: Usage; reserved: Usage }>();
  const committed = (): Usage =>
    [...held.values()].reduce(
      (total, { used, reserved }) => sum(total, sum(used, reserved)),
      context().spent,
    );

  function check(most: Usage): void {
    const { maxTokens, maxCostUsd } = context().limits;
    const { tokens, costUsd } = sum(committed(), most);
    if (maxTokens !== undefined && tokens > maxTokens)
      throw new BudgetExhaustedError('maxTokens', maxTokens, tokens);
    if (maxCostUsd !== undefined && costUsd > maxCostUsd)
      throw new BudgetExhaustedError('maxCostUsd', maxCostUsd, costUsd);
  }

  return {
    open: (effectId) => {
      const account = { used: NOTHING, reserved: NOTHING };
      held.set(effectId, account);
      return {
        get used() {
          return account.used === NOTHING ? undefined : account.used;
        },
        reserve: (most) => {
          check(most);
          account.reserved = sum(account.reserved, most);
          return {
            settle: (actual) => {
              account.reserved = sum(account.reserved, { tokens: -most.tokens, costUsd: -most.costUsd });
              account.used = sum(account.used, actual);
            },
          };
        },
      };
    },
    close: (effectId) => void held.delete(effectId),
  };
}
