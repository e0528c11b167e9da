import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { StepFailedError } from '../../src/failures/failures.js';
import { startBrowser, type Ran } from '../support/site-driver.js';
import { html, redirect, startSite, type Site } from '../support/site-pages.js';

const fixture = (name: string) =>
  readFile(fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url)));
const BIG_ROW = '<p>A row of a page that never ends, with some words in it and a <b>bold</b> one.</p>';

let browser: Ran;
let site: Site;
let unproven: Server;
let unprovenUrl: string;
beforeAll(async () => {
  unproven = createServer(
    { key: await fixture('nobody.key.pem'), cert: await fixture('nobody.cert.pem') },
    (_, response) => response.end('nobody'),
  );
  await new Promise<void>((resolve) => unproven.listen(0, '127.0.0.1', resolve));
  unprovenUrl = `https://127.0.0.1:${(unproven.address() as { port: number }).port}/`;
  site = await startSite({
    '/ok': '<title>ok</title><p>ok</p>',
    '/round': redirect('/round'),
    '/alerts': `<title>Alerts</title><button onclick="for (;;) alert('again')">Begin</button>`,
    '/alerts-at-once': `<title>Alerts</title><script>for (;;) confirm('again')</script>`,
    '/hangs': `<title>Hangs</title><button onclick="for (;;);">Hang</button><input aria-label="Name">`,
    '/restless': `<title>Restless</title><script>setInterval(() => fetch('/ok'), 50)</script>`,
    '/many': `<title>Many</title>${'<button>Buy</button>'.repeat(30)}<input aria-label="Name"><input aria-label="Name">`,
    '/huge': (_, response) => {
      response.setHeader('content-type', 'text/html').write('<!doctype html><title>Huge</title>');
      for (let bytes = 0; bytes < 50 * 1024 * 1024; bytes += BIG_ROW.length * 500)
        response.write(BIG_ROW.repeat(500));
      response.end('<p id="end">The end</p>');
    },
    '/file': (_, response) => {
      response.setHeader('content-disposition', 'attachment; filename="endless.bin"');
      const chunk = Buffer.alloc(256 * 1024);
      const more = () => {
        if (!response.destroyed) response.write(chunk, () => setTimeout(more, 5));
      };
      more();
    },
    '/sized': (_, response) =>
      response
        .setHeader('content-disposition', 'attachment; filename="sized.bin"')
        .end(Buffer.alloc(3 * 1024 * 1024)),
    '/covered': `<title>Covered</title><button>Under</button><div style="position:fixed;inset:0;background:#fff8"></div>
      <button disabled style="position:relative;z-index:1">Off</button><button hidden>Unseen</button><p>Text</p>`,
    '/empty': (_, response) => void response.socket!.destroy(),
    '/slow-part': (_, response) => html(response, '<title>Slow</title><img src="/never">'),
    '/never': () => undefined,
  });
  browser = await startBrowser();
});
afterAll(async () => {
  await browser.close();
  await site.close();
  unproven.closeAllConnections();
  await new Promise((resolve) => unproven.close(resolve));
});

const goto = (path: string) => ({ goto: { url: `${site.url}${path}` } });
const pictures = ({ artifacts }: StepFailedError) =>
  artifacts.filter(({ type }) => type === 'screenshot').length;

describe('a page that cannot be had', () => {
  const cases: [string, () => object, string, string, RegExp][] = [
    [
      'has a host that is unknown',
      () => ({ url: 'https://nobody.invalid/' }),
      'site',
      'page-unreachable',
      /ERR_NAME_NOT_RESOLVED$/,
    ],
    [
      'does not prove who it is',
      () => ({ url: unprovenUrl }),
      'site',
      'tls-failed',
      /ERR_CERT_AUTHORITY_INVALID$/,
    ],
    [
      'speaks no TLS',
      () => ({ url: site.url.replace('http', 'https') }),
      'site',
      'tls-failed',
      /ERR_SSL_PROTOCOL_ERROR$/,
    ],
    [
      'sends round and round',
      () => ({ url: `${site.url}/round` }),
      'site',
      'too-many-redirects',
      /ERR_TOO_MANY_REDIRECTS$/,
    ],
    [
      'hangs up',
      () => ({ url: `${site.url}/empty` }),
      'site',
      'page-unreachable',
      /could not be loaded: ERR_/,
    ],
    [
      'is never complete',
      () => ({ url: `${site.url}/slow-part`, timeoutMs: 500 }),
      'site',
      'page-unreachable',
      /time-out$/,
    ],
    [
      'is a file of this machine',
      () => ({ url: 'file:///etc/passwd' }),
      'policy',
      'host-blocked',
      /scheme file:/,
    ],
  ];
  it.each(cases)('because it %s', async (_, target, kind, code, words) => {
    const failed = await browser.fails([goto('/ok'), { goto: target() }]);
    expect(failed.failure).toMatchObject({ kind, code });
    expect(failed.failure.message).toMatch(words);
    expect(pictures(failed)).toBe(1);
  });

  it('is had all the same when its document is enough', async () => {
    const slow = { url: `${site.url}/slow-part`, until: 'domcontentloaded' };
    expect((await browser.run([{ goto: slow }])).output.title).toBe('Slow');
  });
});

describe('a page that asks without end', () => {
  it('is given up, when it begins by itself and when a click begins it', async () => {
    const byItself = await browser.fails([goto('/alerts-at-once')]);
    expect(byItself.failure).toMatchObject({ kind: 'site', code: 'dialog-loop' });
    const byClick = await browser.fails([goto('/alerts'), { click: { role: 'button', name: 'Begin' } }]);
    expect(byClick.failure).toMatchObject({
      kind: 'site',
      code: 'dialog-loop',
      message: 'action 2 (click): the page asked more than 50 times',
    });
    expect((await browser.run([goto('/ok')])).output.title).toBe('ok');
  }, 60_000);
});

describe('a page that never rests', () => {
  it('is not waited for without end', async () => {
    const failed = await browser.fails([goto('/restless'), { wait: { idle: true, timeoutMs: 1_000 } }]);
    expect(failed.failure).toMatchObject({
      kind: 'site',
      code: 'never-idle',
      message: 'action 2 (wait): the network of the page did not rest within 1000 ms',
    });
    expect(pictures(failed)).toBe(1);
  });
});

describe('an element', () => {
  const cases: [string, object, string, string, RegExp][] = [
    [
      'that is one of many',
      { click: { text: 'Buy' } },
      'input',
      'element-ambiguous',
      /the element by text is one of 30/,
    ],
    [
      'that is one of two',
      { fill: { label: 'Name', value: 'x' } },
      'input',
      'element-ambiguous',
      /by label is one of 2/,
    ],
    [
      'that is not there',
      { click: { role: 'button', name: 'Sell', timeoutMs: 300 } },
      'site',
      'element-not-found',
      /by role is not there/,
    ],
  ];
  it.each(cases)('%s is not guessed at', async (_, action, kind, code, words) => {
    const failed = await browser.fails([goto('/many'), action]);
    expect(failed.failure).toMatchObject({ kind, code });
    expect(failed.failure.message).toMatch(words);
    expect(pictures(failed)).toBe(1);
    const [, path] = /listed in (\S+)$/.exec(failed.failure.message)!;
    const listed = JSON.parse(new TextDecoder().decode(await browser.files.read(path!))) as {
      candidates: { name: string }[];
    };
    expect(listed.candidates.length).toBeGreaterThan(0);
    // The words of the page are in the file, and not in what goes into the log.
    expect(failed.failure.message).not.toContain('Buy');
  });

  it('that is nearest to what was meant is listed first', async () => {
    const { failure } = await browser.fails([
      goto('/many'),
      { click: { role: 'button', name: 'Buyy', exact: true, timeoutMs: 200 } },
    ]);
    const [, path] = /listed in (\S+)$/.exec(failure.message)!;
    const listed = JSON.parse(new TextDecoder().decode(await browser.files.read(path!))) as {
      candidates: { role: string; name: string }[];
    };
    expect(listed.candidates[0]).toMatchObject({ role: 'button', name: 'Buy' });
  });

  const hindered: [string, object, RegExp][] = [
    [
      'covered',
      { click: { role: 'button', name: 'Under', timeoutMs: 400 } },
      /is covered by another element$/,
    ],
    ['disabled', { click: { role: 'button', name: 'Off', timeoutMs: 400 } }, /is disabled$/],
    ['hidden', { click: { selector: 'button[hidden]', timeoutMs: 400 } }, /is hidden$/],
    [
      'no field',
      { fill: { text: 'Text', value: 'x', timeoutMs: 400 } },
      /is not a field that can be written$/,
    ],
  ];
  it.each(hindered)('that is %s is named as such', async (_, action, words) => {
    const failed = await browser.fails([goto('/covered'), action]);
    expect(failed.failure).toMatchObject({ kind: 'site', code: 'element-not-ready' });
    expect(failed.failure.message).toMatch(words);
    expect(pictures(failed)).toBe(1);
  });
});

describe('a download', () => {
  it.each([
    ['that does not end', '/file'],
    ['that is larger than it may be', '/sized'],
  ])(
    '%s is given up',
    async (_, path) => {
      const failed = await browser.fails([
        goto('/ok'),
        { download: { url: `${site.url}${path}`, maxBytes: 2 * 1024 * 1024 } },
      ]);
      expect(failed.failure).toMatchObject({ kind: 'policy', code: 'download-too-large' });
      expect(failed.failure.message).toMatch(/more than the 2097152 bytes/);
      expect(pictures(failed)).toBe(1);
    },
    60_000,
  );

  it('that does not begin fails', async () => {
    const failed = await browser.fails([
      goto('/many'),
      { download: { click: { label: 'Name', nth: 0 }, timeoutMs: 500 } },
    ]);
    expect(failed.failure).toMatchObject({ kind: 'site', code: 'no-download' });
  });
});

describe('a page whose script does not end', () => {
  it('is told as such, and the browser is fit for the next one', async () => {
    const failed = await browser.fails([
      goto('/hangs'),
      { click: { role: 'button', name: 'Hang', timeoutMs: 1_000 } },
      { fill: { label: 'Name', value: 'x', timeoutMs: 1_000 } },
    ]);
    expect(failed.failure).toMatchObject({ kind: 'site', code: 'page-hangs' });
    expect((await browser.run([goto('/ok')])).output.title).toBe('ok');
  }, 90_000);
});

describe('a page of 50 MB', () => {
  it('can be opened and looked at, and what is too much of it is not taken', async () => {
    const opened = await browser.run(
      [
        { goto: { url: `${site.url}/huge`, timeoutMs: 120_000 } },
        { extract: { name: 'end', as: 'text', selector: '#end' } },
      ],
      { runId: 'run_huge' },
    );
    expect(opened.output).toMatchObject({ title: 'Huge', end: 'The end' });
    for (const as of ['text', 'html', 'article']) {
      const failed = await browser.fails([{ extract: { name: 'all', as } }], { runId: 'run_huge' });
      expect(failed.failure).toMatchObject({ kind: 'input', code: 'too-heavy' });
    }
    await browser.driver.endRun!('run_huge', 'ended');
  }, 300_000);
});
