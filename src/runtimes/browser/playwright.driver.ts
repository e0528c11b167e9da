import type { Browser, BrowserContext } from 'playwright-core';
import type { BrowserAction } from '#events/actions/browser.js';
import type { PlanStep } from '#events/plan.js';
import { failure, fail, StepFailedError } from '../../failures/failures.js';
import { evaluate } from '../../effects/resolve.js';
import type { Driver, Reconciliation, StepResult, StepTask } from '../driver.js';
import { ACTION_TIMEOUT_MS, performAction, screenshot, type Script } from './actions.js';
import { launchChromium, type ChromiumSettings } from './chromium.js';
import { blockedReason } from './egress.js';
import { createEgressProxy } from './egress.proxy.js';

export interface PlaywrightSettings extends ChromiumSettings {
  /** Internal hosts that every mission may open. */
  readonly allowHosts: readonly string[];
}

/** How long a browser nobody uses stays up for the next step. */
const IDLE_MS = 15_000;

/** `browser.script` in a real Chromium: one browser for all, one context (its own cookies, its own pages) for each step. */
export interface PlaywrightDriver extends Driver {
  /** A page as a PDF. It runs no script and asks for nothing. */
  readonly printPdf: (html: string, signal: AbortSignal) => Promise<Uint8Array>;
}

export function createPlaywrightDriver(settings: PlaywrightSettings): PlaywrightDriver {
  let launching: Promise<Browser> | undefined;
  let users = 0;
  let idle: NodeJS.Timeout | undefined;

  async function browser(): Promise<Browser> {
    launching ??= launchChromium(settings).then((launched) => launched.browser);
    const launched = await launching.catch((error: unknown) => {
      launching = undefined;
      throw error;
    });
    if (launched.isConnected()) return launched;
    launching = undefined;
    return browser();
  }

  async function close(): Promise<void> {
    clearTimeout(idle);
    const closing = launching;
    launching = undefined;
    await (await closing?.catch(() => undefined))?.close();
  }

  async function use<T>(work: (launched: Browser) => Promise<T>): Promise<T> {
    clearTimeout(idle);
    users++;
    try {
      return await work(await browser());
    } finally {
      users--;
      if (users === 0) idle = setTimeout(() => void close(), IDLE_MS).unref();
    }
  }
  const execute = (task: StepTask): Promise<StepResult> =>
    use((launched) => runInContext(launched, task, settings));
  async function reconcile(task: StepTask): Promise<Reconciliation> {
    const lookUp = task.step.do === 'browser.script' ? task.step.with.lookUp : undefined;
    if (!lookUp) return { outcome: 'unknown' };
    const step = { ...task.step, with: { actions: lookUp.actions } } as PlanStep;
    const result = await execute({ ...task, step });
    const found = await evaluate(lookUp.found, { inputs: {}, mission: {}, steps: {}, output: result.output });
    return found === true ? { outcome: 'confirmed', result } : { outcome: 'refuted' };
  }
  const printPdf = (html: string, signal: AbortSignal): Promise<Uint8Array> =>
    use((launched) => printPage(launched, html, signal));

  return {
    name: 'playwright',
    runtime: 'browser',
    handles: ['browser.script'],
    execute,
    reconcile,
    printPdf,
    close,
  };
}

async function printPage(browser: Browser, html: string, signal: AbortSignal): Promise<Uint8Array> {
  signal.throwIfAborted();
  const context = await browser.newContext({ javaScriptEnabled: false, offline: true }).catch(crashed);
  try {
    const page = await context.newPage();
    await page.setContent(html, { timeout: ACTION_TIMEOUT_MS });
    return await page.pdf({ format: 'A4', margin: { top: '2cm', bottom: '2cm', left: '2cm', right: '2cm' } });
  } finally {
    await context.close();
  }
}

async function runInContext(
  browser: Browser,
  task: StepTask,
  settings: PlaywrightSettings,
): Promise<StepResult> {
  const allowHosts = [...settings.allowHosts, ...(task.mission.metadata.allowHosts ?? [])];
  const egress = await createEgressProxy(allowHosts);
  try {
    const context = await browser
      .newContext({ acceptDownloads: false, serviceWorkers: 'block', proxy: { server: egress.url } })
      .catch(crashed);
    return await runAndClose(context, task, { allowHosts, egress });
  } finally {
    await egress.close();
  }
}

async function runAndClose(
  context: BrowserContext,
  task: StepTask,
  way: Pick<Script, 'allowHosts' | 'egress'>,
): Promise<StepResult> {
  const close = () => context.close().catch(() => undefined);
  const stopped = Promise.withResolvers<never>();
  const stop = () => {
    stopped.reject(task.signal.reason);
    void close();
  };
  task.signal.addEventListener('abort', stop, { once: true });
  try {
    task.signal.throwIfAborted();
    // Playwright never settles a `newPage()` whose context is closed meanwhile: the signal alone must end the step.
    return await Promise.race([runScript(context, task, way), stopped.promise]);
  } finally {
    task.signal.removeEventListener('abort', stop);
    const closed = close();
    if (!task.signal.aborted) await closed;
  }
}

const crashed = (error: unknown): never => {
  throw fail('browser-crashed', 'the browser went away before the step began', {
    cause: (error as Error).message,
  });
};

/** What a page asks for is refused before it is sent; what a redirect asks for, only the proxy sees. */
async function guardRequests(context: BrowserContext, allowHosts: readonly string[]): Promise<void> {
  await context.route('**/*', async (route) => {
    const blocked = await blockedReason(route.request().url(), allowHosts);
    await (blocked ? route.abort('blockedbyclient') : route.continue()).catch(() => undefined);
  });
  await context.routeWebSocket(/.*/, async (socket) => {
    if (await blockedReason(socket.url(), allowHosts)) await socket.close();
    else socket.connectToServer();
  });
}

async function runScript(
  context: BrowserContext,
  task: StepTask,
  way: Pick<Script, 'allowHosts' | 'egress'>,
): Promise<StepResult> {
  await guardRequests(context, way.allowHosts);
  const page = await context.newPage();
  page.setDefaultTimeout(ACTION_TIMEOUT_MS);
  const script: Script = {
    page,
    task,
    ...way,
    extracted: {},
    artifacts: [],
    evidence: [],
    status: undefined,
  };
  for (const [index, action] of actionsOf(task).entries()) {
    await task.mayAct();
    await performAction(script, action).catch((error: unknown) => explain(script, action, index, error));
  }
  // A wait that was cut short has not succeeded.
  task.signal.throwIfAborted();
  const output = {
    url: page.url(),
    title: await page.title(),
    status: script.status ?? null,
    ...script.extracted,
  };
  return { output, content: true, artifacts: script.artifacts, evidence: script.evidence };
}

function actionsOf(task: StepTask): BrowserAction[] {
  if (task.step.do !== 'browser.script') throw fail('bad-arguments', `${task.step.do} is not a script`);
  return task.step.with.actions.map((action) => {
    const [[name, args] = []] = Object.entries(action);
    return { name, args } as BrowserAction;
  });
}

/** A failed action with its place in the script and a picture of the page. The page's own words stay out of it. */
async function explain(script: Script, action: BrowserAction, index: number, error: unknown): Promise<never> {
  script.task.signal.throwIfAborted();
  const page = script.page.url();
  if (page !== 'about:blank' && !page.startsWith('chrome-error:'))
    await screenshot(script, false).catch(() => undefined);
  const where = `action ${index + 1} (${action.name})`;
  if (error instanceof StepFailedError) {
    throw new StepFailedError(
      { ...error.failure, message: `${where}: ${error.failure.message}` },
      script.artifacts,
    );
  }
  const message = (error as Error).message.split('\n')[0]!;
  const gone = /has been closed|crashed/i.test(message);
  const code = gone ? 'browser-crashed' : 'element-not-found';
  throw new StepFailedError(
    failure(code, `${where} on ${page}: ${message}`, { evidence: script.evidence }),
    script.artifacts,
  );
}
