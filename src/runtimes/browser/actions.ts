import type { Locator, Page, Response } from 'playwright-core';
import type { BrowserAction, Target } from '#events/actions/browser.js';
import type { Artifact, Evidence, Json } from '#events/shapes.js';
import { fail } from '../../failures/failures.js';
import type { StepTask } from '../driver.js';
import { blockedReason } from './egress.js';
import { EGRESS_HEADER, type EgressProxy } from './egress.proxy.js';
import { extract } from './extract.js';

export const ACTION_TIMEOUT_MS = 15_000;
const GOTO_TIMEOUT_MS = 30_000;

/** What a script has gathered so far. */
export interface Script {
  readonly page: Page;
  readonly task: StepTask;
  readonly allowHosts: readonly string[];
  readonly egress: EgressProxy;
  readonly extracted: Record<string, Json>;
  readonly artifacts: Artifact[];
  readonly evidence: Evidence[];
  status: number | undefined;
}

type Perform = { readonly [K in BrowserAction['name']]: (script: Script, args: ArgsOf<K>) => Promise<void> };
type ArgsOf<K extends BrowserAction['name']> = Extract<BrowserAction, { name: K }>['args'];

const perform: Perform = {
  goto: openPage,
  click: async ({ page }, args) => locate(page, args).click(),
  fill: async ({ page }, args) => locate(page, args).fill(args.value),
  press: async ({ page }, args) =>
    args.selector ? page.locator(args.selector).press(args.key) : page.keyboard.press(args.key),
  select: async ({ page }, args) => void (await locate(page, args).selectOption(args.value)),
  wait: waitFor,
  extract: async (script, args) => {
    script.extracted[args.name] = await extract(script.page, args);
  },
  screenshot: async (script, args) => {
    const artifact = await screenshot(script, args.fullPage ?? false);
    script.extracted[args.name ?? 'screenshot'] = artifact.path;
  },
  assert: assertPage,
};

export function performAction(script: Script, { name, args }: BrowserAction): Promise<void> {
  const act = perform[name] as (script: Script, args: BrowserAction['args']) => Promise<void>;
  return act(script, args);
}

export async function screenshot(
  script: Pick<Script, 'page' | 'task' | 'artifacts'>,
  fullPage: boolean,
): Promise<Artifact> {
  const png = await script.page.screenshot({ fullPage, type: 'png' });
  const artifact = await script.task.files.keep(png, {
    type: 'screenshot',
    mediaType: 'image/png',
    extension: 'png',
  });
  script.artifacts.push(artifact);
  return artifact;
}

function locate(page: Page, target: Target): Locator {
  const exact = target.exact === undefined ? {} : { exact: target.exact };
  const found = target.role
    ? page.getByRole(target.role as Parameters<Page['getByRole']>[0], {
        ...exact,
        ...(target.name && { name: target.name }),
      })
    : target.label
      ? page.getByLabel(target.label, exact)
      : target.placeholder
        ? page.getByPlaceholder(target.placeholder, exact)
        : target.text
          ? page.getByText(target.text, exact)
          : target.testId
            ? page.getByTestId(target.testId)
            : page.locator(target.selector!);
  return target.nth === undefined ? found : found.nth(target.nth);
}

async function openPage(script: Script, args: ArgsOf<'goto'>): Promise<void> {
  const blocked = await blockedReason(args.url, script.allowHosts);
  if (blocked) throw fail('host-blocked', `the page was not opened: ${blocked}`);
  const response = await script.page
    .goto(args.url, { timeout: (args.timeoutMs as number | undefined) ?? GOTO_TIMEOUT_MS, waitUntil: 'load' })
    .catch((error: unknown) => {
      throw unreachable(script, args.url, error);
    });
  checkStatus(script, args.url, response);
}

function checkStatus(script: Script, url: string, response: Response | null): void {
  if (!response) return;
  const problem = response.headers()[EGRESS_HEADER];
  if (problem !== undefined) throw notReached(script, url, decodeURIComponent(problem));
  const status = response.status();
  script.status = status;
  script.evidence.push({ kind: 'page', url: script.page.url(), status });
  if (status >= 400) {
    throw fail('page-status', `${url} answered HTTP ${status} ${response.statusText()}`.trim(), {
      evidence: script.evidence,
    });
  }
}

/** Playwright words it `page.goto: net::ERR_CONNECTION_REFUSED at http://…` and adds a call log. */
function unreachable(script: Script, url: string, error: unknown): Error {
  const message = (error as Error).message.split('\n')[0]!;
  if (/has been closed|crashed/i.test(message)) return error as Error;
  const reason =
    /net::(ERR_[A-Z0-9_]+)/.exec(message)?.[1] ?? (/Timeout/.test(message) ? 'time-out' : message);
  const ofTunnel = reason === 'ERR_TUNNEL_CONNECTION_FAILED' ? script.egress.lastProblem() : undefined;
  return notReached(script, url, ofTunnel ?? reason);
}

function notReached(script: Script, url: string, reason: string): Error {
  const [, blocked] = /^blocked: (.*)$/s.exec(reason) ?? [];
  if (blocked !== undefined) return fail('host-blocked', `the page was not opened: ${blocked}`);
  const evidence: Evidence[] = [...script.evidence, { kind: 'page', url, networkError: reason }];
  return fail('page-unreachable', `${url} could not be loaded: ${reason}`, { evidence });
}

async function waitFor({ page, task }: Script, args: ArgsOf<'wait'>): Promise<void> {
  if (args.ms !== undefined) return sleep(args.ms as number, task.signal);
  if (args.url !== undefined) return page.waitForURL(args.url);
  const found = args.text === undefined ? page.locator(args.selector!) : page.getByText(args.text);
  await found.first().waitFor();
}

const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });

async function assertPage(script: Script, args: ArgsOf<'assert'>): Promise<void> {
  const { page } = script;
  const holds = await assertionHolds(page, args);
  const what = JSON.stringify({ ...args, absent: undefined });
  if (holds === (args.absent ?? false)) {
    throw fail('assertion-failed', `the page ${args.absent ? 'shows' : 'does not show'} ${what}`, {
      evidence: script.evidence,
    });
  }
  script.evidence.push({ kind: 'check', check: `assert ${what}`, passed: true });
}

async function assertionHolds(page: Page, args: ArgsOf<'assert'>): Promise<boolean> {
  if (args.url !== undefined) return page.url().includes(args.url);
  if (args.title !== undefined) return (await page.title()).includes(args.title);
  const found = args.text === undefined ? page.locator(args.selector!) : page.getByText(args.text);
  return (await found.count()) > 0;
}
