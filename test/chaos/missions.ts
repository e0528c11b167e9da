import type { Random } from './random.js';

/** A step of a mission, as far as the checks look at it. */
export interface ChaosStep {
  readonly id: string;
  readonly title: string;
  readonly do: 'workspace.call';
  readonly with: { readonly tool: string; readonly args: Readonly<Record<string, unknown>> };
  readonly [more: string]: unknown;
}

export interface ChaosMission {
  readonly objective: string;
  readonly plan: { readonly steps: readonly ChaosStep[] };
  readonly limits: { readonly maxParallel: number; readonly maxCostUsd?: number };
}

const LONGEST_DELAY_MS = 700;
const SAFE_SHARE = 0.2;
const APPROVAL_SHARE = 0.1;
const RETRY_SHARE = 0.2;
const BUDGET_SHARE = 0.15;
/** What each act of a mission with a budget costs. */
export const PRICE_USD = 1;

export const step = (
  id: string,
  tool: string,
  args: Record<string, unknown> = {},
  more: Record<string, unknown> = {},
): ChaosStep => ({ id, title: `step ${id}`, do: 'workspace.call', with: { tool, args }, ...more });

/** A mission whose steps act on the witness: most must not be repeated, some may, some wait for a person or a timer. */
export function missionOf(name: string, url: string, random: Random): ChaosMission {
  const priced = random.chance(BUDGET_SHARE);
  const effects = Array.from({ length: random.between(2, 4) }, (_, index) => {
    const needs = index > 0 && random.chance(0.5) ? { needs: [`e${index - 1}`] } : {};
    const safe = random.chance(SAFE_SHARE) ? { safeToRepeat: true } : {};
    const approval = random.chance(APPROVAL_SHARE) ? { approval: true } : {};
    const price = priced ? { costUsd: PRICE_USD } : {};
    const args = { url, delayMs: random.between(0, LONGEST_DELAY_MS), ...price };
    return step(`e${index}`, 'test.effect', args, { ...needs, ...safe, ...approval });
  });
  const last = { needs: [effects.at(-1)!.id] };
  return {
    objective: name,
    plan: {
      steps: [
        ...effects,
        step('note', 'fs.write', { path: 'note.txt', text: name }, last),
        ...(random.chance(RETRY_SHARE) ? [failsOnce(random)] : []),
      ],
    },
    limits: {
      maxParallel: random.between(1, 3),
      // One act less than the plan has: a person has to raise it.
      ...(priced && { maxCostUsd: PRICE_USD * (effects.length - 1) }),
    },
  };
}

/** Waits for a timer between its two attempts, both of which fail, which the run may ignore. */
const failsOnce = (random: Random): ChaosStep =>
  step(
    'retry',
    'noop',
    {},
    {
      expect: [{ jsonata: 'false' }],
      retry: { max: 1, backoffMs: random.between(50, 400) },
      onFailure: 'continue',
    },
  );

/** Whether a step of a mission commits an intent before it acts. */
export const isUnsafe = (each: ChaosStep): boolean =>
  each.with.tool === 'test.effect' && each.safeToRepeat !== true;
