import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { InDoubtError } from '../../src/failures/failures.js';
import { createPlaywrightDriver } from '../../src/runtimes/browser/playwright.driver.js';
import { startBrowser, type Ran } from '../support/site-driver.js';
import { held, startSite, type Site } from '../support/site-pages.js';

let browser: Ran;
let site: Site;
const late = held('<p>late</p>');
beforeAll(async () => {
  site = await startSite({
    '/in': `<!doctype html><title>In</title><p id="c"></p><script>c.textContent = document.cookie || 'none'; document.cookie = 'key=mine; max-age=3600'; localStorage.setItem('kept', 'yes')</script>`,
    '/kept': `<!doctype html><p id="c"></p><script>c.textContent = (document.cookie || 'none') + ' ' + localStorage.getItem('kept')</script>`,
    '/form': `<!doctype html><title>Form</title><input aria-label="Name"><button id="b" disabled onclick="document.title = 'clicked'">Send</button>`,
    '/late': late.page,
    '/hang': `<!doctype html><title>Hang</title><button onclick="fetch('/sent', { method: 'POST' }); for (;;);">Hang</button>`,
    '/sent': 'ok',
  });
  browser = await startBrowser();
});
afterAll(async () => {
  late.release();
  await browser.close();
  await site.close();
});

const goto = (path: string) => ({ goto: { url: `${site.url}${path}` } });
const cookie = { extract: { name: 'cookie', as: 'text', selector: '#c' } };
const pageOf = (runId: string) => browser.driver.sessions.peek(runId)!.front!;

describe('the browser of a run', () => {
  it('is shared by its steps, and by no other run', async () => {
    const of = (runId: string, stepId: string) =>
      browser.run([goto('/in'), cookie], { runId, stepId }).then(({ output }) => output.cookie);
    expect(await of('run_a', 'one')).toBe('none');
    expect(await of('run_a', 'two')).toBe('key=mine');
    expect(await of('run_b', 'one')).toBe('none');
  });

  it('has a step go on in the tab that the step it needs has left', async () => {
    await browser.run([goto('/form'), { fill: { label: 'Name', value: 'Ada' } }], {
      runId: 'run_c',
      stepId: 'one',
    });
    const value = { extract: { name: 'value', as: 'value', selector: 'input' } };
    const needs = { needs: ['one'] };
    const { output } = await browser.run([value], { runId: 'run_c', stepId: 'two', step: needs });
    expect(output).toMatchObject({ value: 'Ada', title: 'Form', status: 200 });
  });

  it('gives steps that run side by side tabs of their own', async () => {
    const titles = await Promise.all(
      ['one', 'two', 'three'].map(async (stepId) => {
        const { output } = await browser.run([goto('/form'), { wait: { ms: 50 } }], {
          runId: 'run_d',
          stepId,
        });
        return output.title;
      }),
    );
    expect(titles).toEqual(['Form', 'Form', 'Form']);
    expect(browser.driver.sessions.peek('run_d')!.context.pages()).toHaveLength(3);
  });
});

describe('a pause', () => {
  it('closes nothing and moves nothing, and a click that waited is not made afterwards', async () => {
    const controller = new AbortController();
    const running = browser.run(
      [
        goto('/form'),
        { fill: { label: 'Name', value: 'half' } },
        { click: { role: 'button', name: 'Send' } },
      ],
      { runId: 'run_p', signal: controller.signal },
    );
    const ended = running.catch(() => performance.now());
    const filled = () => pageOf('run_p').locator('input').inputValue();
    while (
      browser.driver.sessions.peek('run_p')?.front === undefined ||
      (await filled().catch(() => '')) !== 'half'
    )
      await sleep(20);
    await sleep(100);
    const abortedAt = performance.now();
    controller.abort();
    expect(((await ended) as number) - abortedAt).toBeLessThan(2_000);
    const page = pageOf('run_p');
    await page.locator('button').evaluate((button) => button.removeAttribute('disabled'));
    await sleep(500);
    expect([await page.title(), await filled(), page.url()]).toEqual(['Form', 'half', `${site.url}/form`]);
    // The step begins anew in the same tab.
    await browser.run([goto('/in')], { runId: 'run_p' });
    expect(pageOf('run_p')).toBe(page);
  });

  it('in the middle of a load lets no page come while nothing is to move, and asks again afterwards', async () => {
    // What came late took the place of the page that was asked for next, now and then: hence several.
    for (const moment of [0, 0, 1, 2, 3, 5, 8, 15]) {
      const gate = held('<title>Here</title>');
      const slow = await startSite({ '/slow': gate.page });
      const stop = new AbortController();
      const runId = `run_slow_${slow.url}`;
      const script = [{ goto: { url: `${slow.url}/slow` } }];
      const stopped = browser.run(script, { signal: stop.signal, runId }).catch(() => 'stopped');
      while (!slow.hits.includes('/slow')) await sleep(5);
      stop.abort(new Error('pause'));
      expect(await stopped).toBe('stopped');
      gate.release();
      await sleep(moment);
      expect((await browser.run(script, { runId })).output.title).toBe('Here');
      await slow.close();
    }
  }, 60_000);
});

describe('what a browser holds', () => {
  it('is found again after a crash of the process, for this user alone, and out of reach of the run', async () => {
    await browser.run([goto('/in')], { runId: 'run_e' });
    const file = join(browser.folder, 'sessions', 'run_e.json');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(join(browser.folder, 'sessions'))).mode & 0o777).toBe(0o700);
    expect(await readFile(file, 'utf8')).toContain('mine');
    const other = await startBrowser(browser.folder);
    try {
      const { output } = await other.run([goto('/kept'), cookie], { runId: 'run_e' });
      expect(output.cookie).toBe('key=mine yes');
    } finally {
      await other.close();
    }
  });

  it('is forgotten when the run ends, but for its profile', async () => {
    const metadata = { profile: 'shop' };
    const first = await browser.run([goto('/in'), cookie], { runId: 'run_f', metadata });
    expect(first.output.cookie).toBe('none');
    const { context } = browser.driver.sessions.peek('run_f')!;
    const closed = new Promise((resolve) => context.once('close', resolve));
    await browser.driver.endRun!('run_f', 'ended');
    await closed;
    expect(await readdir(join(browser.folder, 'sessions'))).not.toContain('run_f.json');
    const second = await browser.run([goto('/kept'), cookie], { runId: 'run_g', metadata });
    expect(second.output.cookie).toBe('key=mine yes');
    const third = await browser.run([goto('/kept'), cookie], { runId: 'run_h' });
    expect(third.output.cookie).toBe('none null');
  });

  it('that another process has changed meanwhile is not written over', async () => {
    await browser.run([goto('/in')], { runId: 'run_i' });
    const file = join(browser.folder, 'sessions', 'run_i.json');
    const before = await readFile(file, 'utf8');
    await pageOf('run_i').evaluate('document.cookie = "key=stale"');
    await browser.driver.endRun!('run_i', 'lost');
    expect(await readFile(file, 'utf8')).toBe(before);
  });
});

describe('a browser that goes away', () => {
  const crash = async (runId: string) => {
    const { context, front } = browser.driver.sessions.peek(runId)!;
    const cdp = await context.newCDPSession(front!);
    void cdp.send('Page.crash').catch(() => undefined);
  };

  it('of which one page crashes fails the step in a way that a retry mends', async () => {
    const running = browser.fails([goto('/form'), { wait: { ms: 800 } }, { wait: { text: 'never' } }], {
      runId: 'run_j',
    });
    while (frontOf('run_j')?.url() !== `${site.url}/form`) await sleep(20);
    await crash('run_j');
    expect((await running).failure).toMatchObject({ kind: 'infrastructure', code: 'browser-crashed' });
    expect((await browser.run([goto('/form')], { runId: 'run_j' })).output.title).toBe('Form');
  });

  it('in the middle of a change leaves the step in doubt', async () => {
    const running = browser
      .run([goto('/form'), { fill: { label: 'Name', value: 'x' } }, { wait: { ms: 20_000 } }], {
        runId: 'run_k',
      })
      .catch((error: unknown) => error);
    while (
      (await frontOf('run_k')
        ?.locator('input')
        .inputValue()
        .catch(() => '')) !== 'x'
    )
      await sleep(20);
    await killBrowser();
    expect(await running).toBeInstanceOf(InDoubtError);
  });

  it('before a change was made leaves it untouched', async () => {
    const failing = browser.fails([goto('/form'), { click: { role: 'button', name: 'Send' } }], {
      runId: 'run_l',
    });
    while (frontOf('run_l')?.url() !== `${site.url}/form`) await sleep(20);
    const asked = browser.fails([goto('/none'), { click: { text: 'x' } }], { runId: 'run_m' });
    expect((await asked).untouched).toBe(true);
    expect((await failing).untouched).toBe(false);
  }, 60_000);

  it('is there again within 3 seconds', async () => {
    await browser.run([goto('/form')], { runId: 'run_n' });
    await killBrowser();
    const from = performance.now();
    expect((await browser.run([goto('/form')], { runId: 'run_n' })).output.title).toBe('Form');
    process.stdout.write(`new browser after ${Math.round(performance.now() - from)} ms\n`);
  });

  it('is not held up by a page that hangs, and leaves no process behind', async () => {
    const other = createPlaywrightDriver({
      home: browser.folder,
      allowHosts: [],
      agentFsRoot: browser.folder,
    });
    const own = browser.taskOf({ actions: [goto('/hang'), { click: { role: 'button', name: 'Hang' } }] }, {});
    const running = other.execute({ ...own, signal: AbortSignal.timeout(4_000) }).catch(() => 'stopped');
    expect(await running).toBe('stopped');
    const from = performance.now();
    await other.close!();
    process.stdout.write(`closed a hanging browser in ${Math.round(performance.now() - from)} ms\n`);
    expect(performance.now() - from).toBeLessThan(20_000);
  }, 60_000);
});

const frontOf = (runId: string) => browser.driver.sessions.peek(runId)?.front;

async function killBrowser(): Promise<void> {
  const { context } = [...browser.driver.sessions.runIds]
    .map((runId) => browser.driver.sessions.peek(runId)!)
    .find(({ broken }) => !broken)!;
  const cdp = await context.browser()!.newBrowserCDPSession();
  await cdp.send('Browser.crash').catch(() => undefined);
}
