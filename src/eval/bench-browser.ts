import { createServer, type Server } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { planSchema, type PlanStep } from '#events/plan.js';
import { createAgentFs } from '../agentfs/agentfs.js';
import { createPlaywrightDriver, type PlaywrightDriver } from '../runtimes/browser/playwright.driver.js';
import { launchChromium } from '../runtimes/browser/chromium.js';
import type { StepTask } from '../runtimes/driver.js';

type Browser = Awaited<ReturnType<typeof launchChromium>>['browser'];

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '30' }, parallel: { type: 'string', default: '20' } },
});

const PAGE = `<!doctype html><title>Order</title><form onsubmit="event.preventDefault(); out.textContent = 'Order of ' + form.elements.name.value" id="form">
<label>Name <input name="name"></label><label>Town <input name="town"></label>
<label>Size <select name="size"><option>S</option><option>M</option></select></label>
<label><input type="checkbox" name="gift"> Gift</label><button>Order</button></form><p id="out"></p>
<table><tr><th>Item</th><th>Price</th></tr><tr><td>Tea</td><td>4</td></tr></table>`;

/** Ten actions upon a local page, as a plan has them. */
const actionsAt = (url: string): object[] => [
  { goto: { url } },
  { fill: { label: 'Name', value: 'Ada' } },
  { fill: { label: 'Town', value: 'London' } },
  { select: { label: 'Size', value: 'M' } },
  { check: { label: 'Gift' } },
  { hover: { role: 'button', name: 'Order' } },
  { click: { role: 'button', name: 'Order' } },
  { wait: { text: 'Order of Ada' } },
  { extract: { name: 'said', as: 'text', selector: '#out' } },
  { extract: { name: 'items', as: 'table', selector: 'table' } },
];

/** The same in plain Playwright: a context, a page, ten calls. */
async function plainly(browser: Browser, url: string): Promise<void> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  await page.goto(url);
  await page.getByLabel('Name').fill('Ada');
  await page.getByLabel('Town').fill('London');
  await page.getByLabel('Size').selectOption('M');
  await page.getByLabel('Gift').check();
  await page.getByRole('button', { name: 'Order' }).hover();
  await page.getByRole('button', { name: 'Order' }).click();
  await page.getByText('Order of Ada').first().waitFor();
  await page.locator('#out').innerText();
  await page.locator('table').evaluate((table) => table.textContent);
  await page.title();
  await context.close();
}

async function newPage(browser: Browser): Promise<void> {
  const context = await browser.newContext();
  opened.push(() => context.close());
  await context.newPage();
}
const opened: (() => Promise<void>)[] = [];

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

function taskOf(folder: string, runId: string, url: string): StepTask {
  const { steps } = planSchema.parse({
    steps: [{ id: 'order', title: 'Order', do: 'browser.script', with: { actions: actionsAt(url) } }],
  });
  const step = steps[0] as PlanStep;
  const { filesOf } = createAgentFs({ root: folder, maxBytes: Infinity, maxFiles: Infinity });
  return {
    runId,
    stepId: 'order',
    attempt: 1,
    step,
    planned: step,
    idempotencyKey: `${runId}/order`,
    mission: { inputs: {}, metadata: { allowHosts: ['127.0.0.1'] } },
    files: filesOf(runId),
    signal: new AbortController().signal,
    pausing: new AbortController().signal,
    fence: { epoch: 1, control: 0 },
    waitFor: () => () => undefined,
    mayAct: () => Promise.resolve(),
    budget: { used: undefined, reserve: () => ({ settle: () => undefined }) },
    trace: () => undefined,
  };
}

async function once(driver: PlaywrightDriver, folder: string, runId: string, url: string): Promise<void> {
  await driver.execute(taskOf(folder, runId, url));
  await driver.endRun!(runId, 'ended');
}

const listen = (server: Server): Promise<string> =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      resolve(`http://127.0.0.1:${port}/`);
    });
  });

/** Measures the driver and plain Playwright in turn, in one run, so that the ratio does not depend on the hour. */
async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'skyagent-bench-'));
  const server = createServer(
    (_, response) => void response.setHeader('content-type', 'text/html').end(PAGE),
  );
  const url = await listen(server);
  const driver = createPlaywrightDriver({ home: folder, allowHosts: [], agentFsRoot: folder });
  const { browser } = await launchChromium({ home: folder });
  try {
    await once(driver, folder, 'run_warm', url);
    await plainly(browser, url);
    const rounds = Number(values.rounds);
    const ours: number[] = [];
    const plain: number[] = [];
    const contexts: number[] = [];
    for (let round = 0; round < rounds; round++) {
      ours.push(await timed(() => once(driver, folder, `run_${round}`, url)));
      plain.push(await timed(() => plainly(browser, url)));
      contexts.push(await timed(() => newPage(browser)));
    }
    await Promise.all(opened.map((close) => close()));
    const parallel = Number(values.parallel);
    const all = await timed(() =>
      Promise.all(Array.from({ length: parallel }, (_, index) => once(driver, folder, `run_p${index}`, url))),
    );
    const closed = await timed(() => driver.close!());
    const round = (number: number) => Math.round(number * 10) / 10;
    process.stdout.write(
      `${JSON.stringify({
        rounds,
        scriptMs: round(median(ours)),
        plainMs: round(median(plain)),
        ratio: Math.round((median(ours) / median(plain)) * 100) / 100,
        contextAndPageMs: round(median(contexts)),
        parallelRuns: parallel,
        parallelMs: round(all),
        closedMs: round(closed),
      })}\n`,
    );
  } finally {
    await driver.close!();
    await browser.close();
    server.close();
    server.closeAllConnections();
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
