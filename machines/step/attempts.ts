import type { BrowserDriverName, PlanStep } from '#events/plan.js';

const triesOf = (step: PlanStep): number => 1 + (step.retry?.max ?? 0);
const driversOf = (step: PlanStep): readonly BrowserDriverName[] =>
  'drivers' in step && step.drivers ? step.drivers : [];

/** How many attempts a step may take: each of its drivers has the tries that `retry` gives. */
export const mostAttempts = (step: PlanStep): number => triesOf(step) * Math.max(1, driversOf(step).length);

/** The driver that a step names for an attempt; nothing, when it names none. */
export const driverOfAttempt = (step: PlanStep, attempt: number): BrowserDriverName | undefined =>
  driversOf(step)[Math.floor((attempt - 1) / triesOf(step))];

/** Whether the attempt after this one is another driver's. */
export const changesDriver = (step: PlanStep, attempt: number): boolean =>
  attempt < mostAttempts(step) && attempt % triesOf(step) === 0;

/** Milliseconds before the attempt after this one, counted from the driver's own first: the next driver begins at once. */
export function delayBefore(step: PlanStep, attempt: number): number {
  if (changesDriver(step, attempt)) return 0;
  const own = ((attempt - 1) % triesOf(step)) + 1;
  return Math.min((step.retry?.backoffMs ?? 0) * 2 ** (own - 1), MAX_BACKOFF_MS);
}
const MAX_BACKOFF_MS = 86_400_000;
