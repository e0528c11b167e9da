import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startBrowser, type Ran } from '../support/site-driver.js';
import { startSite, type Site } from '../support/site-pages.js';

const FORM = `<!doctype html><title>Form</title>
<form onsubmit="event.preventDefault(); document.querySelector('#out').textContent = JSON.stringify(Object.fromEntries(new FormData(this)))">
  <label>Your name <input name="name"></label>
  <input name="mail" placeholder="you@example.org">
  <input name="code" data-testid="code">
  <label>Colour <select name="colour"><option>red</option><option value="b">blue</option></select></label>
  <label>Tags <select name="tags" multiple><option>x</option><option>y</option><option>z</option></select></label>
  <button>Send</button><button type="button" onclick="document.title='Cancelled'">Cancel</button>
</form><output id="out"></output>`;
const CLICKS = `<!doctype html><title>Clicks</title>
<button onclick="log('role')">Save</button><button onclick="log('save as')">Save as</button>
<label for="box">Agree</label><input type="checkbox" id="box" onchange="log('label')">
<span onclick="log('text')">Plain words</span><i data-testid="t1" onclick="log('testId')">i</i>
<b class="deep" onclick="log('first')">one</b><b class="deep" onclick="log('second')">two</b>
<p id="log"></p><script>const log = (what) => (document.querySelector('#log').textContent += what + ';');</script>`;
const LATE = `<!doctype html><title>Late</title><script>
setTimeout(() => (document.body.innerHTML = '<p class="late">It is here</p>'), 150);
setTimeout(() => history.pushState(null, '', '/late/done'), 150);</script>`;
const DATA = `<!doctype html><title>Data</title>
<h1>Heading <b>bold</b></h1><p class="x">one</p><p class="x">two</p>
<a href="/here">Here</a> <a href="https://example.org/there">There</a> <a>nowhere</a>
<table><tr><th>Port</th><th>Range</th></tr><tr><td>Brest</td><td>6.1 m</td></tr></table>
<input id="field" value="start"><img alt="a picture" src="data:,"><p hidden>unseen</p>`;
const ARTICLE = `<!doctype html><html lang="en"><head><title>The tide</title>
<meta property="article:published_time" content="2026-03-02T09:00:00Z"></head><body><nav><a href="/">Menu entry</a></nav><article><h1>The tide</h1>
${'<p>The sea rises and falls twice a day, because the moon pulls at it, and the sun a little too.</p>'.repeat(8)}</article></body></html>`;

let browser: Ran;
let site: Site;
beforeAll(async () => {
  site = await startSite({
    '/form': FORM,
    '/clicks': CLICKS,
    '/late': LATE,
    '/data': DATA,
    '/article': ARTICLE,
    '/cookie': `<!doctype html><p id="c"></p><script>document.querySelector('#c').textContent = document.cookie || 'none'; document.cookie = 'seen=yes'; localStorage.setItem('k', 'v')</script>`,
  });
  browser = await startBrowser();
});
afterAll(async () => {
  await browser.close();
  await site.close();
});

const goto = (path: string) => ({ goto: { url: `${site.url}${path}` } });
const textOf = (name: string, selector: string) => ({ extract: { name, as: 'text', selector } });

describe('a script in a real browser', () => {
  it('opens a page, and says where it ended and with which status', async () => {
    const { output, content, evidence } = await browser.run([goto('/data')]);
    expect(output).toEqual({ url: `${site.url}/data`, title: 'Data', status: 200 });
    expect(content).toBe(true);
    expect(evidence).toEqual([{ kind: 'page', url: `${site.url}/data`, status: 200 }]);
  });

  const clicks: [string, object, string][] = [
    ['role and name', { role: 'button', name: 'Save', exact: true }, 'role;'],
    ['label', { label: 'Agree' }, 'label;'],
    ['text', { text: 'Plain words' }, 'text;'],
    ['test id', { testId: 't1' }, 'testId;'],
    ['selector', { selector: '#box' }, 'label;'],
    ['place among several', { selector: '.deep', nth: 1 }, 'second;'],
  ];
  it.each(clicks)('clicks what is named by %s', async (_, target, expected) => {
    const { output } = await browser.run([goto('/clicks'), { click: target }, textOf('log', '#log')]);
    expect(output.log).toBe(expected);
  });

  it('fills a form by label, placeholder and test id, selects, and sends it with a key', async () => {
    const { output } = await browser.run([
      goto('/form'),
      { fill: { label: 'Your name', value: 'Ada' } },
      { fill: { placeholder: 'you@example.org', value: 'ada@example.org' } },
      { fill: { testId: 'code', value: '42' } },
      { select: { label: 'Colour', value: 'b' } },
      { select: { label: 'Tags', value: ['x', 'z'] } },
      { press: { selector: '[name=name]', key: 'Enter' } },
      textOf('sent', '#out'),
    ]);
    expect(JSON.parse(output.sent as string)).toEqual({
      name: 'Ada',
      mail: 'ada@example.org',
      code: '42',
      colour: 'b',
      tags: 'z',
    });
  });

  it('presses a key where the focus is', async () => {
    const focus = { click: { label: 'Your name' } };
    const { output } = await browser.run([
      goto('/form'),
      focus,
      { press: { key: 'a' } },
      { press: { key: 'Tab' } },
      { press: { key: 'b' } },
      { extract: { name: 'fields', as: 'value', selector: 'input', all: true } },
    ]);
    expect(output.fields).toEqual(['a', 'b', '']);
  });

  const waits: [string, object][] = [
    ['a text', { text: 'It is here' }],
    ['an element', { selector: 'p.late' }],
    ['an address', { url: '**/late/done' }],
    ['a time', { ms: 400 }],
  ];
  it.each(waits)('waits for %s', async (_, wait) => {
    const { output } = await browser.run([goto('/late'), { wait }, textOf('text', 'body')]);
    expect(output.text).toBe('It is here');
  });

  it('waits without a page too', async () => {
    expect((await browser.run([{ wait: { ms: 10 } }])).output).toEqual({
      url: 'about:blank',
      title: '',
      status: null,
    });
  });
});

describe('what a script extracts', () => {
  const cases: [string, object, unknown][] = [
    ['the text of an element', { as: 'text', selector: 'h1' }, 'Heading bold'],
    ['the first of several', { as: 'text', selector: '.x' }, 'one'],
    ['all of several', { as: 'text', selector: '.x', all: true }, ['one', 'two']],
    ['none, where all of none are asked for', { as: 'text', selector: '.none', all: true }, []],
    ['HTML', { as: 'html', selector: 'h1' }, 'Heading <b>bold</b>'],
    ['the value of a field', { as: 'value', selector: '#field' }, 'start'],
    ['an attribute', { as: 'attribute', selector: 'img', attribute: 'alt' }, 'a picture'],
    ['an attribute that is not there', { as: 'attribute', selector: 'h1', attribute: 'alt' }, null],
    [
      'a table as rows of cells',
      { as: 'table', selector: 'table' },
      [
        ['Port', 'Range'],
        ['Brest', '6.1 m'],
      ],
    ],
  ];
  it.each(cases)('is %s', async (_, args, expected) => {
    const { output } = await browser.run([goto('/data'), { extract: { name: 'it', ...args } }]);
    expect(output.it).toEqual(expected);
  });

  it('is the links of a page, with their whole addresses', async () => {
    const { output } = await browser.run([goto('/data'), { extract: { name: 'links', as: 'links' } }]);
    expect(output.links).toEqual([
      { text: 'Here', href: `${site.url}/here` },
      { text: 'There', href: 'https://example.org/there' },
    ]);
  });

  it('is the text that a person would see', async () => {
    const { output } = await browser.run([goto('/data'), { extract: { name: 'text', as: 'text' } }]);
    expect(output.text).toContain('Heading bold');
    expect(output.text).not.toContain('unseen');
  });

  it('is the main article without what stands around it', async () => {
    const { output } = await browser.run([goto('/article'), { extract: { name: 'article', as: 'article' } }]);
    expect(output.article).toMatchObject({
      title: 'The tide',
      lang: 'en',
      publishedTime: '2026-03-02T09:00:00Z',
    });
    const { text, html } = output.article as { text: string; html: string };
    expect(text).toMatch(/^The sea rises and falls twice a day/);
    expect(text).not.toContain('Menu entry');
    expect(html).toContain('<p>The sea rises');
  });

  it('fails on a page that has no article', async () => {
    const { failure } = await browser.fails([
      { goto: { url: 'data:text/html,' } },
      { extract: { name: 'a', as: 'article' } },
    ]);
    expect(failure).toMatchObject({ kind: 'site', code: 'no-article' });
    expect(failure.message).toMatch(/^action 2 \(extract\): /);
  });
});

describe('a screenshot', () => {
  it('is kept as a PNG artifact under its digest, and named in the output', async () => {
    const { output, artifacts } = await browser.run([
      goto('/data'),
      { screenshot: { name: 'shot', fullPage: true } },
    ]);
    const [artifact] = artifacts!;
    expect(artifact).toMatchObject({
      type: 'screenshot',
      mediaType: 'image/png',
      path: `artifacts/${artifact!.digest}.png`,
    });
    expect(output.shot).toBe(artifact!.path);
    const png = await browser.files.read(artifact!.path);
    expect(Buffer.from(png.subarray(0, 8)).toString('hex')).toBe('89504e470d0a1a0a');
    expect(png.byteLength).toBe(artifact!.bytes);
  });
});

describe('an assertion', () => {
  const holds: object[] = [
    { text: 'Heading' },
    { selector: 'table' },
    { url: '/data' },
    { title: 'Data' },
    { text: 'no such words', absent: true },
    { selector: '.none', absent: true },
    { title: 'Other', absent: true },
  ];
  it.each(holds)('that holds is evidence: %j', async (assert) => {
    const { evidence } = await browser.run([goto('/data'), { assert }]);
    expect(evidence!.at(-1)).toMatchObject({ kind: 'check', passed: true });
  });

  const broken: [object, string][] = [
    [{ text: 'no such words' }, 'action 2 (assert): the page does not show {"text":"no such words"}'],
    [{ selector: '.none' }, 'action 2 (assert): the page does not show {"selector":".none"}'],
    [{ url: '/elsewhere' }, 'action 2 (assert): the page does not show {"url":"/elsewhere"}'],
    [{ text: 'Heading', absent: true }, 'action 2 (assert): the page shows {"text":"Heading"}'],
  ];
  it.each(broken)('that does not hold fails the step, with a screenshot: %j', async (assert, message) => {
    const { failure, artifacts } = await browser.fails([goto('/data'), { assert }]);
    expect(failure).toMatchObject({ kind: 'validation', code: 'assertion-failed', message });
    expect(artifacts.map(({ type }) => type)).toEqual(['screenshot']);
  });
});

describe('two steps', () => {
  it('share no cookies and no storage', async () => {
    const visit = [goto('/cookie'), textOf('cookie', '#c')];
    expect((await browser.run(visit)).output.cookie).toBe('none');
    expect((await browser.run(visit)).output.cookie).toBe('none');
    expect((await browser.run([...visit, goto('/cookie'), textOf('again', '#c')])).output).toMatchObject({
      cookie: 'none',
      again: 'seen=yes',
    });
  });

  it('run side by side in one browser', async () => {
    const titles = await Promise.all(
      ['/form', '/clicks', '/data', '/late'].map(
        async (path) => (await browser.run([goto(path)])).output.title,
      ),
    );
    expect(titles).toEqual(['Form', 'Clicks', 'Data', 'Late']);
  });
});
