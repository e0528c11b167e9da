import type { Page } from 'playwright-core';
import { fail } from '../../../failures/failures.js';
import { checkDocument, notReached } from '../documents.js';
import { blockedReason } from '../egress.js';
import { within } from '../within.js';
import { bounds, LOAD_TIMEOUT_MS, type Act, type ArgsOf, type Script } from '../script.js';

export const goto: Act<'goto'> = async (script, args) => {
  const blocked = await blockedReason(args.url, script.session.rules);
  if (blocked) throw fail('host-blocked', `the page was not opened: ${notSaying(script, args.url, blocked)}`);
  script.scope = script.page;
  const waitUntil = args.until === 'idle' ? ('networkidle' as const) : (args.until ?? 'load');
  await load(
    script,
    args.url,
    script.page.goto(args.url, { ...bounds(script, args, LOAD_TIMEOUT_MS), waitUntil }),
  );
};

/** Why an address is blocked, without the address when it came of a page. */
const notSaying = ({ say }: Script, url: string, why: string): string =>
  say(url) === '…' ? why.replace(JSON.stringify(url), 'the address') : why;

export const back: Act<'back'> = (script) =>
  move(script, script.page.goBack(bounds(script, {}, LOAD_TIMEOUT_MS)));
export const forward: Act<'forward'> = (script) =>
  move(script, script.page.goForward(bounds(script, {}, LOAD_TIMEOUT_MS)));
export const reload: Act<'reload'> = (script) =>
  move(script, script.page.reload(bounds(script, {}, LOAD_TIMEOUT_MS)));

async function move(script: Script, moving: Promise<unknown>): Promise<void> {
  script.scope = script.page;
  await load(script, script.page.url(), moving);
}

async function load(script: Script, url: string, loading: Promise<unknown>): Promise<void> {
  try {
    await loading;
  } catch (error) {
    await within(STOP_MS, stopLoading(script.page));
    throw notReached(script, url, error);
  }
  await checkDocument(script);
}
const STOP_MS = 1000;

/** Playwright stops waiting for a page but lets it come: in a paused run, or in the middle of the next action. */
async function stopLoading(page: Page): Promise<void> {
  try {
    const session = await page.context().newCDPSession(page);
    await session.send('Page.stopLoading');
    await session.detach();
  } catch {
    // The tab is gone, and so is what it loaded.
  }
}

export const newTab: Act<'newTab'> = async (script, args) => {
  const page = await script.session.context.newPage();
  script.addTab(page);
  turnTo(script, page);
  if (args.url !== undefined) await goto(script, { url: args.url, timeoutMs: args.timeoutMs });
};

export const switchTab: Act<'switchTab'> = async (script, args) => {
  const { timeout, signal } = bounds(script, args);
  const deadline = Date.now() + timeout;
  for (;;) {
    const page = await findTab(script, args);
    if (page) {
      await page.bringToFront();
      return turnTo(script, page);
    }
    signal.throwIfAborted();
    if (Date.now() >= deadline) throw fail('no-such-tab', noTab(args, openTabs(script).length));
    await script.page.waitForTimeout(LOOK_AGAIN_MS);
  }
};
const LOOK_AGAIN_MS = 100;

/** A tab that a click opens is there a little later than the click is done. */
async function findTab(script: Script, args: ArgsOf<'switchTab'>): Promise<Page | undefined> {
  const tabs = openTabs(script);
  if (args.index !== undefined) return tabs[args.index as number];
  if (args.url !== undefined) return tabs.find((tab) => tab.url().includes(args.url!));
  if (args.last) return tabs.at(-1) === script.page ? undefined : tabs.at(-1);
  for (const tab of tabs) if ((await tab.title()).includes(args.title!)) return tab;
  return undefined;
}

const openTabs = (script: Script): Page[] => script.tabs.filter((tab) => !tab.isClosed());
const noTab = (args: ArgsOf<'switchTab'>, count: number): string =>
  `there is no such tab (by ${Object.keys(args)
    .filter((key) => key !== 'timeoutMs')
    .join()}) among the ${count} of this step`;

export const closeTab: Act<'closeTab'> = async (script) => {
  await script.page.close();
  const left = openTabs(script);
  // A step without a tab could do nothing more.
  const page = left.at(-1) ?? (await script.session.context.newPage());
  if (!script.tabs.includes(page)) script.addTab(page);
  turnTo(script, page);
};

export const frame: Act<'frame'> = async (script, args) => {
  if (args.main) return void (script.scope = script.page);
  if (args.selector !== undefined) {
    await script.scope.locator(args.selector).waitFor({ ...bounds(script, args), state: 'attached' });
    return void (script.scope = script.scope.locator(args.selector).contentFrame());
  }
  const { timeout, signal } = bounds(script, args);
  const deadline = Date.now() + timeout;
  for (;;) {
    const frames = script.page.frames().slice(1);
    const found = frames.find((each) =>
      args.name === undefined ? each.url().includes(args.url!) : each.name() === args.name,
    );
    if (found) return void (script.scope = found);
    signal.throwIfAborted();
    if (Date.now() >= deadline)
      throw fail('element-not-found', `the page has no such frame; it has ${frames.length}`);
    await script.page.waitForTimeout(LOOK_AGAIN_MS);
  }
};

function turnTo(script: Script, page: Page): void {
  script.page = page;
  script.scope = page;
  script.session.front = page;
}
