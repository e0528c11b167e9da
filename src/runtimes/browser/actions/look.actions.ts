import { fail } from '../../../failures/failures.js';
import { pause } from '../../../effects/timer.effect.js';
import { locate } from '../locate.js';
import { keepPicture } from '../pictures.js';
import { bounds, type Act, type ArgsOf, type Script } from '../script.js';

export const wait: Act<'wait'> = async (script, args) => {
  const { page, scope, task } = script;
  const limits = bounds(script, args);
  if (args.ms !== undefined) {
    await pause(args.ms as number, limits.signal);
    return limits.signal.throwIfAborted();
  }
  if (args.url !== undefined) return page.waitForURL(args.url, limits);
  if (args.idle) return untilIdle(script, args);
  const found = args.text === undefined ? scope.locator(args.selector!) : scope.getByText(args.text);
  await found.first().waitFor({ ...limits, state: args.gone ? 'hidden' : 'visible' });
  task.signal.throwIfAborted();
};

async function untilIdle(script: Script, args: ArgsOf<'wait'>): Promise<void> {
  const limits = bounds(script, args);
  await script.page.waitForLoadState('networkidle', limits).catch((error: unknown) => {
    if (limits.signal.aborted || !/Timeout/.test((error as Error).message)) throw error;
    throw fail('never-idle', `the network of the page did not rest within ${limits.timeout} ms`);
  });
}

export const dialog: Act<'dialog'> = (script, args) => {
  script.dialogs.answer = args;
  return Promise.resolve();
};

export const screenshot: Act<'screenshot'> = async (script, args) => {
  const of = args.of && (await locate(script, args.of));
  const artifact = await keepPicture(script, { fullPage: args.fullPage ?? false, of });
  script.extracted[args.name ?? 'screenshot'] = artifact.path;
};

export const pdf: Act<'pdf'> = async (script, args) => {
  const { format = 'A4', landscape = false } = args;
  const bytes = await script.page.pdf({ format, landscape, printBackground: true });
  const artifact = await script.task.files.keep(bytes, {
    type: 'pdf',
    mediaType: 'application/pdf',
    extension: 'pdf',
  });
  script.artifacts.push(artifact);
  script.extracted[args.name ?? 'pdf'] = artifact.path;
};

export const assert: Act<'assert'> = async (script, args) => {
  const holds = await assertionHolds(script, args);
  const what = told(script, args);
  if (holds === (args.absent ?? false)) {
    throw fail('assertion-failed', `the page ${args.absent ? 'shows' : 'does not show'} ${what}`, {
      evidence: script.evidence,
    });
  }
  script.evidence.push({ kind: 'check', check: `assert ${what}`, passed: true });
};

/** What is asserted, without words that came of a page. */
function told({ say }: Script, { absent: _, ...args }: ArgsOf<'assert'>): string {
  const parts = Object.entries(args).map(([name, value]) => `${JSON.stringify(name)}:${say(String(value))}`);
  return `{${parts.join()}}`;
}

async function assertionHolds({ page, scope }: Script, args: ArgsOf<'assert'>): Promise<boolean> {
  if (args.url !== undefined) return page.url().includes(args.url);
  if (args.title !== undefined) return (await page.title()).includes(args.title);
  const found = args.text === undefined ? scope.locator(args.selector!) : scope.getByText(args.text);
  if ((await found.count()) === 0) return false;
  return args.value === undefined || (await found.first().inputValue()) === args.value;
}
