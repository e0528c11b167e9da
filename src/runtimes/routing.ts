import type { Mission } from '#events/mission.js';
import type { PlanStep, Runtime } from '#events/plan.js';

export interface Route {
  readonly runtime: Runtime;
  readonly reason: string;
}

const HINTS: readonly (readonly [Runtime, RegExp])[] = [
  ['browser', /\b(web ?sites?|web ?pages?|browser|urls?|https?:|online|search the web|web)\b/i],
  ['desktop', /\b(desktop|windows?|screen|mouse|click on|application|app)\b/i],
  ['workspace', /\b(files?|folders?|documents?|csv|spreadsheet|markdown)\b/i],
];

/** What a step says it does names its runtime; `runtime` on the step must agree, which `planProblems` checks. */
export const routeStep = (step: PlanStep): Route => ({
  runtime: runtimeOf(step),
  reason: step.runtime ? `the step names it` : `the step does ${step.do}`,
});

export const runtimeOf = (step: Pick<PlanStep, 'do'>): Runtime => step.do.split('.')[0] as Runtime;

/** Where an objective in words would run: the mission's word, then hints in its own, then the workspace. */
export function routeObjective(mission: Pick<Mission, 'objective' | 'metadata'>): Route {
  const { runtime } = mission.metadata;
  if (runtime) return { runtime, reason: 'the mission names it in metadata.runtime' };
  for (const [hinted, words] of HINTS) {
    const [match] = words.exec(mission.objective ?? '') ?? [];
    if (match) return { runtime: hinted, reason: `the objective says “${match}”` };
  }
  return { runtime: 'workspace', reason: 'nothing points elsewhere' };
}
