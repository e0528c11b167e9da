import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startBrowser, type Ran } from '../support/site-driver.js';
import { held, redirect, startSite, status, type Site } from '../support/site-pages.js';

let browser: Ran;
let site: Site;
/** A second site, which only some scripts may open. */
let inner: Site;
beforeAll(async () => {
  inner = await startSite({
    '/secret': 'the secret',
    '/secret.js': 'document.title = "reached"',
    '/socket': 'x',
  });
  site = await startSite({
    '/ok':
      '<title>ok</title><p>ok</p><input aria-label="Password" type="password"><input aria-label="Card" readonly>',
    '/gone': status(404),
    '/broken': status(503),
    '/held': held('x').page,
    '/hops': redirect('/to-inner'),
    '/to-inner': redirect(`${inner.url.replace('127.0.0.1', 'localhost')}/secret`),
    '/sub': `<title>outer</title><iframe src="/to-inner"></iframe><img src="/hops"><p id="fetched">waiting</p>
      <script>fetch('/hops', { mode: 'no-cors' }).then(() => 'done', () => 'done').then((it) => (document.querySelector('#fetched').textContent = it))</script>`,
    '/frame': `<title>outer</title><iframe src="${inner.url.replace('127.0.0.1', 'localhost')}/secret"></iframe>
      <script src="${inner.url.replace('127.0.0.1', 'localhost')}/secret.js"></script><p id="fetched">waiting</p>
      <script>fetch('${inner.url.replace('127.0.0.1', 'localhost')}/secret').then(() => 'reached', () => 'blocked').then((it) => (document.querySelector('#fetched').textContent = it))</script>`,
    '/socket': `<p id="state">waiting</p><script>const s = new WebSocket('ws://localhost:${new URL(inner.url).port}/socket');
      s.onopen = () => (document.querySelector('#state').textContent = 'open'); s.onclose = () => (document.querySelector('#state').textContent = 'closed')</script>`,
  });
  browser = await startBrowser();
});
afterAll(async () => {
  await browser.close();
  await site.close();
  await inner.close();
});

const goto = (path: string) => ({ goto: { url: `${site.url}${path}` } });

describe('a page that does not open', () => {
  it.each([
    ['/gone', 404, 'Not Found'],
    ['/broken', 503, 'Service Unavailable'],
  ])('fails with its HTTP status and a picture of it: %s', async (path, code, words) => {
    const { failure, artifacts } = await browser.fails([goto('/ok'), goto(path)]);
    expect(failure).toMatchObject({
      kind: 'site',
      code: 'page-status',
      message: `action 2 (goto): ${site.url}${path} answered HTTP ${code} ${words}`,
      evidence: [
        { kind: 'page', url: `${site.url}/ok`, status: 200 },
        { kind: 'page', url: `${site.url}${path}`, status: code },
      ],
    });
    expect(artifacts).toEqual([expect.objectContaining({ type: 'screenshot', mediaType: 'image/png' })]);
    expect(await browser.files.exists(artifacts[0]!.path)).toBe(true);
  });

  it.each(['http', 'https'])(
    'fails with the network’s own reason when nobody listens: %s',
    async (scheme) => {
      const url = `${scheme}://127.0.0.1:${await freePort()}/`;
      const { failure } = await browser.fails([{ goto: { url } }]);
      expect(failure).toMatchObject({ kind: 'site', code: 'page-unreachable' });
      expect(failure.message).toBe(`action 1 (goto): ${url} could not be loaded: ERR_CONNECTION_REFUSED`);
      expect(failure.evidence).toEqual([{ kind: 'page', url, networkError: 'ERR_CONNECTION_REFUSED' }]);
    },
  );

  it.each(['http', 'https'])('fails as unreachable when there is no such name: %s', async (scheme) => {
    const { failure } = await browser.fails([{ goto: { url: `${scheme}://no-such-name.invalid/` } }]);
    expect(failure).toMatchObject({ code: 'page-unreachable' });
    expect(failure.message).toContain('ERR_NAME_NOT_RESOLVED');
  });

  it('fails when it takes longer than the action allows', async () => {
    const { failure } = await browser.fails([{ goto: { url: `${site.url}/held`, timeoutMs: 300 } }]);
    expect(failure).toMatchObject({
      code: 'page-unreachable',
      message: `action 1 (goto): ${site.url}/held could not be loaded: time-out`,
    });
  });
});

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });

describe('an internal host that nobody allowed', () => {
  it('is not opened', async () => {
    const before = site.hits.length;
    const { failure } = await browser.fails([goto('/ok')], { allowHosts: [] });
    expect(failure).toMatchObject({
      kind: 'policy',
      code: 'host-blocked',
      message: 'action 1 (goto): the page was not opened: 127.0.0.1 is an internal address (127.0.0.1)',
    });
    expect(site.hits).toHaveLength(before);
  });

  it.each(['/to-inner', '/hops'])(
    'is not reached over a redirect of a page that may be opened: %s',
    async (path) => {
      const { failure } = await browser.fails([goto(path)]);
      expect(failure).toMatchObject({ kind: 'policy', code: 'host-blocked' });
      expect(failure.message).toMatch(
        /^action 1 \(goto\): the page was not opened: localhost is an internal address/,
      );
      expect(inner.hits).toEqual([]);
    },
  );

  it('is not reached by a frame, a script or a request of the page', async () => {
    const { output } = await browser.run([goto('/frame'), { wait: { text: 'blocked' } }]);
    expect(output.title).toBe('outer');
    expect(inner.hits).toEqual([]);
  });

  it('is not reached by a frame, a picture or a request that is redirected', async () => {
    await browser.run([goto('/sub'), { wait: { text: 'done' } }]);
    expect(inner.hits).toEqual([]);
  });

  it('is not reached by a socket of the page', async () => {
    await browser.run([goto('/socket'), { wait: { text: 'closed' } }]);
    expect(inner.hits).toEqual([]);
  });

  it('is reached once it is allowed, by the same page', async () => {
    const { output } = await browser.run([goto('/to-inner'), { extract: { name: 'text', as: 'text' } }], {
      allowHosts: ['127.0.0.1', 'localhost'],
    });
    expect(output.text).toBe('the secret');
    expect(inner.hits).toEqual(['/secret']);
  });
});

describe('an action that cannot be done', () => {
  it('names its place in the script, and keeps a picture', async () => {
    const { failure, artifacts } = await browser.fails([
      goto('/ok'),
      { assert: { text: 'ok' } },
      { click: { role: 'button', name: 'Buy' } },
    ]);
    expect(failure).toMatchObject({ kind: 'site', code: 'element-not-found' });
    expect(failure.message).toMatch(/^action 3 \(click\) on http:\/\/127\.0\.0\.1:\d+\/ok: /);
    expect(artifacts.map(({ type }) => type).sort()).toEqual(['screenshot', 'text']);
  }, 60_000);

  it('never shows what was typed: not when it works, and not when it fails', async () => {
    const secret = 'hunter2-correct-horse';
    const typed = { fill: { label: 'Password', value: secret } };
    const worked = await browser.run([goto('/ok'), typed]);
    expect(JSON.stringify(worked)).not.toContain(secret);
    const failing = await Promise.all([
      browser.fails([goto('/ok'), typed, { fill: { label: 'Card', value: secret } }]),
      browser.fails([goto('/ok'), { fill: { label: 'Nothing', value: secret } }]),
    ]);
    for (const { failure, message, artifacts } of failing) {
      expect(failure.code).toMatch(/^element-not-(found|ready)$/);
      expect(JSON.stringify([failure, message, artifacts])).not.toContain(secret);
      for (const { path } of artifacts)
        expect(Buffer.from(await browser.files.read(path)).toString()).not.toContain(secret);
    }
  }, 90_000);
});

describe('a script that is no longer wanted', () => {
  it('ends while it waits for a page, an element or a time', async () => {
    for (const action of [goto('/held'), { wait: { ms: 600_000 } }, { wait: { text: 'never' } }]) {
      const controller = new AbortController();
      const running = browser.run([goto('/ok'), action], { signal: controller.signal });
      const ended = running.then(
        () => 'finished',
        () => 'aborted',
      );
      await sleep(300);
      controller.abort();
      expect(await Promise.race([ended, sleep(10_000, 'still running', { ref: false })])).toBe('aborted');
    }
  }, 60_000);

  it('ends at whatever moment that is, while the page is made too', async () => {
    const endings: unknown[] = [];
    for (let ms = 0; ms < 180; ms += 3) {
      const both = [ms, ms + 1].map((delay) =>
        browser.run([goto('/held')], { signal: AbortSignal.timeout(delay) }),
      );
      const ended = Promise.allSettled(both).then((all) => all.map(({ status }) => status).join());
      endings.push(await Promise.race([ended, sleep(10_000, 'still running', { ref: false })]));
      if (endings.at(-1) === 'still running') break;
    }
    expect(new Set(endings)).toEqual(new Set(['rejected,rejected']));
  }, 60_000);

  it('does nothing when it was aborted before it began', async () => {
    const before = site.hits.length;
    await expect(browser.run([goto('/ok')], { signal: AbortSignal.abort() })).rejects.toThrow('abort');
    expect(site.hits).toHaveLength(before);
  });

  it('leaves the browser fit for the next one', async () => {
    expect((await browser.run([goto('/ok')])).output.title).toBe('ok');
  });
});
