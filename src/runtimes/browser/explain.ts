/// <reference lib="dom" />
import type { Locator } from 'playwright-core';
import type { BrowserAction } from '#events/actions/browser.js';
import { LOCATORS, type Target } from '#events/actions/browser-target.js';
import { fail, failure, FAILURES, StepFailedError, type FailureCode } from '../../failures/failures.js';
import { by } from './locate.js';
import { keepPicture } from './pictures.js';
import { MOST_DIALOGS } from './watch-tabs.js';
import { sanitised } from './sanitised.js';
import type { Script } from './script.js';

/** A failed action with its place in the script, the reason, a picture of the page, and what there is instead. */
export async function explain(
  script: Script,
  action: BrowserAction,
  index: number,
  error: unknown,
): Promise<StepFailedError> {
  const where = `action ${index + 1} (${action.name})`;
  const told = await reasonOf(script, action, error);
  if (wantsPicture(script)) await keepPicture(script, { timeoutMs: 3_000 }).catch(() => undefined);
  const joint = told.failure.message.startsWith('on ') ? ' ' : ': ';
  return new StepFailedError(
    { ...told.failure, message: `${where}${joint}${told.failure.message}`.slice(0, 2000) },
    script.artifacts,
  );
}

/** A page that asks and asks cannot be drawn, and none that was never opened needs to be. */
const wantsPicture = ({ page, task, dialogs }: Script): boolean =>
  page.url() !== 'about:blank' &&
  task.mission.metadata.screenshots !== 'none' &&
  !dialogs.flood.signal.aborted;

async function reasonOf(script: Script, action: BrowserAction, error: unknown): Promise<StepFailedError> {
  const evidence = [...script.network.evidence(), ...script.evidence];
  // Whatever an action says, it is this that kept it from being done.
  if (script.dialogs.flood.signal.aborted)
    return fail('dialog-loop', `the page asked more than ${MOST_DIALOGS} times`, { evidence });
  if (error instanceof StepFailedError) return error;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && code in FAILURES)
    return fail(code as FailureCode, (error as Error).message);
  const page = script.network.tell(script.page.url());
  const message = (error as Error).message;
  if (/has been closed|crashed/i.test(message))
    return fail('browser-crashed', `on ${page}: the page is gone`);
  const target = targetOf(action);
  if (!target) return fail('action-failed', `on ${page}: ${sanitised(message)}`, { evidence });
  const { code: reason, why } = await whyNot(script, target, message);
  const listed = reason === 'element-not-found' || reason === 'element-ambiguous';
  const kept = listed ? await keepCandidates(script, target).catch(() => undefined) : undefined;
  const look = kept === undefined ? '' : `; what comes nearest is listed in ${kept}`;
  return new StepFailedError(
    failure(reason, `on ${page}: ${named(target)} ${why}${look}`, { evidence }),
    script.artifacts,
  );
}

/** The element that an action is about; of a drag, the one that it begins with. */
export function targetOf({ name, args }: BrowserAction): Target | undefined {
  const candidates: unknown[] =
    name === 'drag'
      ? [args.from, args.to]
      : name === 'download'
        ? [args.click]
        : name === 'screenshot'
          ? [args.of]
          : [args];
  return candidates.find(
    (each): each is Target =>
      typeof each === 'object' && each !== null && LOCATORS.some((way) => way in each),
  );
}

/** By which way an element was named; what it is called may be content of a page, and stays out of it. */
const named = (target: Target): string =>
  `the element by ${LOCATORS.filter((way) => target[way] !== undefined).join(', ')}`;

interface Why {
  readonly code: FailureCode;
  readonly why: string;
}

/** Looks at what there is now, and at what Playwright says it was waiting for. */
async function whyNot(script: Script, target: Target, message: string): Promise<Why> {
  const ways = LOCATORS.filter((way) => target[way] !== undefined);
  const found = by(script.scope, ways[0]!, target);
  const count = await found.count().catch(() => 0);
  if (/strict mode violation/.test(message) || count > 1)
    return {
      code: 'element-ambiguous',
      why: `is one of ${count}: name it more exactly, or say which by nth`,
    };
  if (count === 0) return { code: 'element-not-found', why: 'is not there' };
  const [, because] = HINDRANCES.find(([pattern]) => pattern.test(message)) ?? [];
  return { code: 'element-not-ready', why: because ?? (await stateOf(found)) };
}

/** Words of Playwright's call log, the most telling first. */
const HINDRANCES: readonly (readonly [RegExp, string])[] = [
  [/intercepts pointer events/, 'is covered by another element'],
  [/did not find some options/, 'has no such option'],
  [
    /element is not editable|not an <input>|not an HTMLInputElement|Element is not an/,
    'is not a field that can be written',
  ],
  [/Not a checkbox or radio/, 'is neither a checkbox nor a radio button'],
  [/Clicking the checkbox did not change/, 'did not change when it was clicked'],
  [/element is not enabled/, 'is disabled'],
  [/element is not visible/, 'is hidden'],
  [/element is not stable/, 'does not come to rest'],
  [/outside of the viewport/, 'lies outside of what can be seen'],
  [/Malformed value|Cannot type text into input/, 'takes no such value'],
  [/Non-multiple file input/, 'takes one file alone'],
];

async function stateOf(found: Locator): Promise<string> {
  const limits = { timeout: 1_000 };
  const visible = await found.isVisible().catch(() => false);
  if (!visible) return 'is hidden';
  const enabled = await found.isEnabled(limits).catch(() => true);
  return enabled ? 'could not be used in time' : 'is disabled';
}

const MOST_CANDIDATES = 20;

/** What the page has instead, nearest first, as a file: the words of a page belong in no message. */
async function keepCandidates(script: Script, target: Target): Promise<string> {
  // The arguments of an action hold what was to be typed, too: only how the element was named is written down.
  const names = Object.fromEntries(
    [...LOCATORS, 'name' as const].flatMap((way) => (target[way] ? [[way, target[way]]] : [])),
  );
  const wanted = Object.values(names).join(' ');
  const there = await script.scope.locator('body').evaluate(readCandidates, undefined, { timeout: 2_000 });
  const ranked = there
    .map((candidate) => ({ ...candidate, nearness: nearness(wanted, `${candidate.role} ${candidate.name}`) }))
    .sort((a, b) => b.nearness - a.nearness)
    .slice(0, MOST_CANDIDATES);
  const artifact = await script.task.files.keep(
    JSON.stringify({ wanted: names, candidates: ranked }, null, 2),
    {
      type: 'text',
      mediaType: 'application/json',
      extension: 'json',
    },
  );
  script.artifacts.push(artifact);
  return artifact.path;
}

interface Candidate {
  readonly role: string;
  readonly name: string;
  readonly testId?: string;
  readonly id?: string;
}

/** Runs in the page: what a person could click on or write into. */
function readCandidates(body: Element): Candidate[] {
  const selector =
    'a[href],button,input,select,textarea,summary,label,[role],[data-testid],[contenteditable],h1,h2,h3';
  return Array.from(body.querySelectorAll(selector))
    .slice(0, 2000)
    .map((element) => {
      const field = element as HTMLInputElement;
      const label = element.getAttribute('aria-label') ?? field.labels?.[0]?.textContent ?? field.placeholder;
      const name = (label || element.textContent || '').trim().replace(/\s+/g, ' ').slice(0, 120);
      const testId = element.getAttribute('data-testid');
      const role = element.getAttribute('role') ?? element.tagName.toLowerCase();
      return { role, name, ...(testId && { testId }), ...(element.id && { id: element.id }) };
    });
}

/** Between 0 and 1: how many pairs of letters two texts share (Dice's coefficient). */
export function nearness(one: string, other: string): number {
  const pairs = (text: string) => {
    const plain = text.toLowerCase().replace(/\s+/g, ' ').trim();
    return Array.from({ length: Math.max(0, plain.length - 1) }, (_, index) => plain.slice(index, index + 2));
  };
  const [a, b] = [pairs(one), pairs(other)];
  if (a.length === 0 || b.length === 0) return 0;
  const left = [...b];
  const shared = a.filter((pair) => {
    const at = left.indexOf(pair);
    if (at >= 0) left.splice(at, 1);
    return at >= 0;
  });
  return (2 * shared.length) / (a.length + b.length);
}
