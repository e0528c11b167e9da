import type { Locator } from 'playwright-core';
import { LOCATORS, type LocatorName, type Target } from '#events/actions/browser-target.js';
import { bounds, type Scope, type Script } from './script.js';

/** The element that an action is about. */
export async function locate(
  script: Script,
  target: Target,
  args: { timeoutMs?: number | string | undefined } = {},
): Promise<Locator> {
  const ways = LOCATORS.filter((name) => target[name] !== undefined);
  if (ways.length === 1) return exactOne(script.scope, ways[0]!, target);
  return firstThatFits(script, target, ways, args);
}

/** A name is a part of what an element is called; where that means several, one that is called just so is meant. */
async function exactOne(scope: Scope, way: LocatorName, target: Target): Promise<Locator> {
  const found = by(scope, way, target);
  const open = target.exact === undefined && target.nth === undefined && PARTLY.has(way);
  if (!open || (await found.count()) < 2) return found;
  const exactly = by(scope, way, { ...target, exact: true });
  return (await exactly.count()) === 1 ? exactly : found;
}
const PARTLY: ReadonlySet<LocatorName> = new Set(['role', 'label', 'placeholder', 'text']);

/** One way to name an element, as Playwright's own. */
export function by(scope: Scope, way: LocatorName, target: Target): Locator {
  const found = anyBy(target.within === undefined ? scope : scope.locator(target.within), way, target);
  return target.nth === undefined ? found : found.nth(target.nth);
}

function anyBy(scope: Scope | Locator, way: LocatorName, target: Target): Locator {
  const exact = target.exact === undefined ? {} : { exact: target.exact };
  switch (way) {
    case 'role':
      return scope.getByRole(target.role as Parameters<Scope['getByRole']>[0], {
        ...exact,
        ...(target.name !== undefined && { name: target.name }),
      });
    case 'label':
      return scope.getByLabel(target.label!, exact);
    case 'placeholder':
      return scope.getByPlaceholder(target.placeholder!, exact);
    case 'text':
      return scope.getByText(target.text!, exact);
    case 'testId':
      return scope.getByTestId(target.testId!);
    case 'selector':
      return scope.locator(target.selector!);
  }
}

const LOOK_AGAIN_MS = 100;

/** Names that outlive a redesign come first; a later one is taken only when none before it finds exactly one element. */
async function firstThatFits(
  script: Script,
  target: Target,
  ways: readonly LocatorName[],
  args: { timeoutMs?: number | string | undefined },
): Promise<Locator> {
  const { timeout, signal } = bounds(script, args);
  const deadline = Date.now() + timeout;
  for (;;) {
    for (const way of ways) {
      const locator = by(script.scope, way, target);
      if ((await locator.count()) === 1) return locator;
    }
    signal.throwIfAborted();
    // The last word is the first way's: its failure is the one that is told.
    if (Date.now() >= deadline) return by(script.scope, ways[0]!, target);
    await script.page.waitForTimeout(LOOK_AGAIN_MS);
  }
}
