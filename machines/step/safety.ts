import { READ_ONLY_BROWSER_ACTIONS } from '#events/actions/browser.js';
import { READ_ONLY_DESKTOP_ACTIONS } from '#events/actions/desktop.js';
import type { PlanStep } from '#events/plan.js';

/** Built-in tools that give the same world when they run twice. */
const REPEATABLE_TOOLS: ReadonlySet<string> = new Set([
  'noop',
  'fs.write',
  'fs.read',
  'fs.list',
  'fs.search',
  'fs.copy',
  'text.extract',
  'text.diff',
  'text.markdown',
  'table.read',
  'table.write',
  'table.sum',
  'table.join',
  'archive.create',
  'archive.extract',
  'image.info',
  'invoice.read',
  'invoice.sort',
  'report.render',
  'report.document',
]);

/** Whether a step may run twice without a second effect: the step's own word, else what is known of what it does. */
export function isSafeToRepeat(step: PlanStep): boolean {
  if (step.safeToRepeat !== undefined) return step.safeToRepeat;
  if (step.do === 'workspace.call')
    return step.with.server === undefined && REPEATABLE_TOOLS.has(step.with.tool);
  if (step.do === 'desktop.script') return consistsOf(step.with.actions, READ_ONLY_DESKTOP_ACTIONS);
  // A script that a Skyvern may do is done by its intent, in words.
  if (step.do !== 'browser.script' || step.drivers?.includes('skyvern')) return false;
  return consistsOf(step.with.actions, READ_ONLY_BROWSER_ACTIONS);
}

const consistsOf = (actions: readonly object[], names: ReadonlySet<string>): boolean =>
  actions.every((action) => Object.keys(action).every((name) => names.has(name)));
