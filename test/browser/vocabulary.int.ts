import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startBrowser, type Ran } from '../support/site-driver.js';
import { html, startSite, status, type Site } from '../support/site-pages.js';

const MOUSE = `<!doctype html><title>Mouse</title><p id="log" style="position:fixed;right:0"></p>
<button id="b">Press</button><div id="menu" style="width:80px;height:30px;background:#ddd">Menu</div><p id="tip" hidden>A tip</p>
<label>Agree <input type="checkbox" id="agree"></label><input id="typed" aria-label="Typed">
<div id="src" style="width:60px;height:40px;background:#8af">Drag me</div><div id="dst" style="width:120px;height:80px;background:#fa8">Drop here</div>
<div id="far" style="margin-top:3000px">Far away</div>
<script>const log = (what) => (document.querySelector('#log').textContent += what + ';');
  b.onclick = (event) => log('click' + (event.shiftKey ? '+shift' : '')); b.ondblclick = () => log('double');
  b.oncontextmenu = (event) => { event.preventDefault(); log('right'); };
  menu.onmouseenter = () => (tip.hidden = false); agree.onchange = () => log('agree:' + agree.checked);
  typed.onkeydown = (event) => { if (event.key === 'Enter') log('typed:' + typed.value); };
  let held = false; src.onmousedown = () => (held = true); document.onmouseup = (event) => { if (held && event.target === dst) log('dropped'); held = false; };
  document.onscroll = () => (document.title = 'scrolled');</script>`;
const ASKS = `<!doctype html><title>Asks</title><p id="log"></p><button onclick="log.textContent = String(confirm('Sure?'))">Confirm</button>
<button onclick="log.textContent = String(prompt('Name?'))">Prompt</button>`;
const OUTER = `<!doctype html><title>Outer</title><p>outer words</p><iframe name="inner" src="/inner"></iframe>
<a href="/inner" target="_blank">Open</a>`;
const INNER = `<!doctype html><title>Inner</title><p id="state">inner words</p><button onclick="state.textContent = 'pressed'">Inside</button>
<iframe id="deep" srcdoc="<p>deepest words</p>"></iframe>`;
const DATA = `<!doctype html><title>Data</title><table id="ports"><tr><th>Port</th><th>Range (m)</th><th>Open</th></tr>
<tr><td>Brest</td><td>6.1</td><td>yes</td></tr><tr><td>Kiel</td><td>0.2</td><td>no</td></tr></table>
<ul id="people"><li>Name: Ada; first<br>Born: 1815</li><li>Name: Alan<br>Born: 1912</li></ul>
<dl id="card"><dt>Maker</dt><dd>Babbage</dd><dt>Wheels</dt><dd>25,000</dd></dl>
<article class="item"><h2>One</h2><b>1 €</b></article><article class="item"><h2>Two</h2></article>`;
const ODD = `<!doctype html><title>Odd</title><p id="price">Price:&nbsp;5&nbsp;€</p>
<table id="odd"><thead><tr><th colspan="2">Tides</th></tr><tr><th>Port</th><th>Range</th></tr><tr><td><input></td><td><input></td></tr></thead>
<tbody><tr><td>Brest</td><td>6.1</td></tr><tr hidden><td>Unseen</td><td>1</td></tr><tr><td>Kiel</td><td>0.2</td></tr><tr><td colspan="2">A story that is one cell across</td></tr>
<tr><td>Calais</td><td>7<table hidden><tr><td>nested</td></tr></table></td></tr></tbody><tfoot hidden><tr><td>All</td><td>13.3</td></tr></tfoot></table>
<table id="box"><tr><th>Maker</th><td>Babbage</td></tr><tr><th>Year</th><td>1837</td></tr></table>
<select multiple><option selected>S</option><option>M</option><option selected>L</option></select>
<button onclick="document.title = 'Book'">Book Now</button><button onclick="document.title = 'Ok'">Ok</button>
<div id="one"><a onclick="document.title = 'one'">Second</a></div><div id="two"><a onclick="document.title = 'two'">Second</a></div>
<label style="display:inline-block;background:#ddd;padding:8px"><input type="checkbox" id="dark" style="position:absolute;opacity:0;width:0;height:0"> Dark mode</label>`;
const FILE = Buffer.from('a,b\n1,2\n');

let browser: Ran;
let site: Site;
beforeAll(async () => {
  site = await startSite({
    '/mouse': MOUSE,
    '/asks': ASKS,
    '/outer': OUTER,
    '/inner': INNER,
    '/shadow': `<!doctype html><p>outside</p><x-a></x-a><script>document.querySelector('x-a').attachShadow({ mode: 'open' }).innerHTML =
      '<p>Thank you</p><a href="/here">Here</a><table><tr><td>Kiel</td><td>0.2</td></tr></table><input value="inside">'</script>`,
    '/odd': ODD,
    '/far': `<!doctype html><div id="s" style="width:60px;height:40px;background:#8af;cursor:grab">Source</div><div style="height:2500px"></div>
      <div id="t" style="width:120px;height:80px;background:#fa8">Target</div><p id="said"></p>
      <script>let held = false; s.onmousedown = (event) => { held = true; event.preventDefault(); }; document.onmouseup = (event) => { if (held && event.target === t) said.textContent = 'dropped'; }</script>`,
    '/data': DATA,
    '/files': `<!doctype html><a href="/file.csv">Get it</a><p id="got"></p><label>Papers <input type="file" multiple></label>
      <script>document.querySelector('input').onchange = async (event) => { const texts = await Promise.all([...event.target.files].map(async (file) => file.name + '=' + (await file.text()))); got.textContent = texts.join(); }</script>`,
    '/file.csv': (_, response) =>
      response
        .setHeader('content-type', 'text/csv')
        .setHeader('content-disposition', 'attachment; filename="ports.csv"')
        .end(FILE),
    '/idle': `<!doctype html><title>Idle</title><p id="n">0</p><script>let n = 0; const more = async () => { await fetch('/inner'); n++; document.querySelector('#n').textContent = n; if (n < 8) setTimeout(more, 100); }; more();</script>`,
    '/gone': `<!doctype html><p id="busy">Busy</p><script>setTimeout(() => document.querySelector('#busy').remove(), 400)</script>`,
    '/form': `<!doctype html><title>Form</title><form method="post" action="/send"><input name="name" aria-label="Name"><button>Send</button></form>`,
    '/send': (_, response) => {
      response.statusCode = 500;
      html(response, '<title>Sent</title><p>Your form was submitted</p>');
    },
    '/api': status(202),
    '/spa': `<!doctype html><p id="said"></p><button onclick="fetch('/api?token=secret', { method: 'POST' }).then((answer) => (said.textContent = 'submitted'))">Send</button>`,
  });
  browser = await startBrowser();
});
afterAll(async () => {
  await browser.close();
  await site.close();
});

const goto = (path: string) => ({ goto: { url: `${site.url}${path}` } });
const textOf = (name: string, selector: string) => ({ extract: { name, as: 'text', selector } });

describe('a mouse and a keyboard', () => {
  const button = { role: 'button', name: 'Press' };
  const acts: [string, object[], string][] = [
    ['click with a key held', [{ click: { ...button, modifiers: ['Shift'] } }], 'click+shift;'],
    ['double click', [{ doubleClick: button }], 'click;click;double;'],
    ['right click', [{ rightClick: button }], 'right;'],
    ['check', [{ check: { label: 'Agree' } }, { check: { label: 'Agree' } }], 'agree:true;'],
    [
      'uncheck',
      [{ check: { label: 'Agree' } }, { check: { label: 'Agree', checked: false } }],
      'agree:true;agree:false;',
    ],
    [
      'type key by key',
      [{ type: { label: 'Typed', value: 'Grüße' } }, { press: { label: 'Typed', key: 'Enter' } }],
      'typed:Grüße;',
    ],
    [
      'type where the focus is',
      [{ click: { label: 'Typed' } }, { type: { value: 'ab', delayMs: 1 } }, { press: { key: 'Enter' } }],
      'typed:ab;',
    ],
    [
      'drag one thing onto another',
      [{ drag: { from: { text: 'Drag me' }, to: { selector: '#dst' } } }],
      'dropped;',
    ],
  ];
  it.each(acts)('%s', async (_, actions, expected) => {
    const { output } = await browser.run([goto('/mouse'), ...actions, textOf('log', '#log')]);
    expect(output.log).toBe(expected);
  });

  it('hover over what shows more then', async () => {
    const { output } = await browser.run([
      goto('/mouse'),
      { hover: { text: 'Menu', exact: true } },
      textOf('tip', '#tip'),
    ]);
    expect(output.tip).toBe('A tip');
  });

  it('click a place', async () => {
    const { output } = await browser.run([
      goto('/mouse'),
      { click: { at: { x: 30, y: 20 } } },
      textOf('log', '#log'),
    ]);
    expect(output.log).toBe('click;');
  });

  it.each([{ dy: 400 }, { text: 'Far away' }, { to: 'bottom' }])('scroll: %j', async (scroll) => {
    const { output } = await browser.run([goto('/mouse'), { scroll }, { wait: { ms: 200 } }]);
    expect(output.title).toBe('scrolled');
  });

  it('take the first name of an element that finds exactly one', async () => {
    const target = { role: 'button', name: 'Renamed', text: 'Press', selector: '#nowhere' };
    const { output } = await browser.run([goto('/mouse'), { click: target }, textOf('log', '#log')]);
    expect(output.log).toBe('click;');
  });
});

describe('a question of the page', () => {
  const answers: [string, object[], string, string][] = [
    ['is declined when nobody says otherwise', [], 'Confirm', 'false'],
    ['is accepted', [{ dialog: { accept: true } }], 'Confirm', 'true'],
    ['gets a text', [{ dialog: { accept: true, text: 'Ada' } }], 'Prompt', 'Ada'],
    ['is declined', [{ dialog: { accept: false } }], 'Prompt', 'null'],
  ];
  it.each(answers)('%s', async (_, dialog, name, expected) => {
    const { output } = await browser.run([
      goto('/asks'),
      ...dialog,
      { click: { role: 'button', name } },
      textOf('log', '#log'),
    ]);
    expect(output.log).toBe(expected);
  });
});

describe('tabs and frames', () => {
  it('are opened, switched to by place, address and title, and closed', async () => {
    const { output } = await browser.run([
      goto('/outer'),
      { newTab: { url: `${site.url}/data` } },
      textOf('second', 'title'),
      { switchTab: { index: 0 } },
      { extract: { name: 'first', as: 'text', selector: 'p' } },
      { switchTab: { title: 'Data' } },
      { assert: { title: 'Data' } },
      { closeTab: {} },
      { assert: { title: 'Outer' } },
    ]);
    expect(output).toMatchObject({ second: 'Data', first: 'outer words', title: 'Outer' });
  });

  it('one that a click opens is waited for', async () => {
    const { output } = await browser.run([
      goto('/outer'),
      { click: { role: 'link', name: 'Open' } },
      { switchTab: { last: true } },
      { click: { role: 'button', name: 'Inside' } },
      textOf('state', '#state'),
    ]);
    expect(output).toMatchObject({ state: 'pressed', title: 'Inner', status: 200 });
  });

  it.each([{ name: 'inner' }, { url: '/inner' }, { selector: 'iframe' }])('a frame by %j', async (frame) => {
    const { output } = await browser.run([
      goto('/outer'),
      { frame },
      { click: { role: 'button', name: 'Inside' } },
      textOf('inside', '#state'),
      { frame: { selector: '#deep' } },
      textOf('deep', 'body'),
      { frame: { main: true } },
      textOf('outside', 'p'),
    ]);
    expect(output).toMatchObject({ inside: 'pressed', deep: 'deepest words', outside: 'outer words' });
  });

  it('says so when there is no such tab or frame', async () => {
    const noTab = await browser.fails([goto('/outer'), { switchTab: { title: 'None', timeoutMs: 300 } }]);
    expect(noTab.failure).toMatchObject({ kind: 'site', code: 'no-such-tab' });
    const noFrame = await browser.fails([goto('/outer'), { frame: { name: 'none', timeoutMs: 300 } }]);
    expect(noFrame.failure).toMatchObject({ kind: 'site', code: 'element-not-found' });
  });
});

describe('moving about', () => {
  it('goes back, forward and loads again', async () => {
    const { output } = await browser.run([
      goto('/outer'),
      goto('/data'),
      { back: {} },
      { assert: { title: 'Outer' } },
      { forward: {} },
      { assert: { title: 'Data' } },
      { reload: {} },
    ]);
    expect(output).toMatchObject({ title: 'Data', status: 200 });
  });

  it('waits until the network rests, and until something is gone', async () => {
    const idle = await browser.run([goto('/idle'), { wait: { idle: true } }, textOf('n', '#n')]);
    expect(idle.output.n).toBe('8');
    const gone = await browser.run([
      goto('/gone'),
      { wait: { text: 'Busy', gone: true } },
      textOf('body', 'body'),
    ]);
    expect(gone.output.body).toBe('');
  });
});

describe('what is extracted by a schema', () => {
  const schema = (type: 'array' | 'object', properties: object) =>
    type === 'array' ? { type, items: { type: 'object', properties } } : { type, properties };
  const cases: [string, object, unknown][] = [
    [
      'the rows of a table',
      {
        selector: '#ports',
        schema: schema('array', {
          port: { type: 'string' },
          range: { type: 'number', title: 'Range (m)' },
          open: { type: 'boolean' },
        }),
      },
      [
        { port: 'Brest', range: 6.1, open: true },
        { port: 'Kiel', range: 0.2, open: false },
      ],
    ],
    [
      'the entries of a list',
      {
        selector: '#people',
        schema: schema('array', { name: { type: 'string' }, born: { type: 'integer' } }),
      },
      [
        { name: 'Ada; first', born: 1815 },
        { name: 'Alan', born: 1912 },
      ],
    ],
    [
      'the terms of a description',
      {
        selector: '#card',
        schema: schema('object', { maker: { type: 'string' }, wheels: { type: 'integer' } }),
      },
      { maker: 'Babbage', wheels: 25_000 },
    ],
  ];
  it.each(cases)('is %s', async (_, args, expected) => {
    const { output } = await browser.run([
      goto('/data'),
      { extract: { name: 'it', as: 'records', ...args } },
    ]);
    expect(output.it).toEqual(expected);
  });

  it('fails where the page does not fit, without the words of the page', async () => {
    const wrong = schema('array', { port: { type: 'integer' } });
    const { failure } = await browser.fails([
      goto('/data'),
      { extract: { name: 'it', as: 'records', selector: '#ports', schema: wrong } },
    ]);
    expect(failure).toMatchObject({ kind: 'site', code: 'extract-mismatch' });
    expect(failure.message).toMatch(/\/0\/port must be integer$/);
    expect(JSON.stringify(failure)).not.toContain('Brest');
  });

  it('is a record of fields by their selectors, or one for each element', async () => {
    const { output } = await browser.run([
      goto('/data'),
      {
        extract: {
          name: 'one',
          as: 'fields',
          fields: { title: 'title', port: '#ports td' },
          selector: 'html',
        },
      },
      {
        extract: {
          name: 'all',
          as: 'fields',
          fields: { name: 'h2', price: 'b' },
          selector: '.item',
          all: true,
        },
      },
    ]);
    expect(output.one).toEqual({ title: 'Data', port: 'Brest' });
    expect(output.all).toEqual([
      { name: 'One', price: '1 €' },
      { name: 'Two', price: null },
    ]);
  });

  it('is the accessibility tree as text', async () => {
    const { output } = await browser.run([goto('/inner'), { extract: { name: 'tree', as: 'snapshot' } }]);
    expect(output.tree).toContain('- button "Inside"');
  });
});

describe('what a person sees', () => {
  it('is extracted and expected also from open shadow roots', async () => {
    const { output } = await browser.run(
      [
        goto('/shadow'),
        { extract: { name: 'text', as: 'text' } },
        { extract: { name: 'host', as: 'text', selector: 'x-a' } },
        { extract: { name: 'links', as: 'links' } },
        { extract: { name: 'table', as: 'table' } },
        { extract: { name: 'one', as: 'fields', fields: { n: 'input' } } },
      ],
      { step: { expect: [{ page: { text: 'Thank you' } }] } },
    );
    expect(output).toMatchObject({
      host: expect.stringContaining('Thank you'),
      links: [{ text: 'Here', href: `${site.url}/here` }],
      table: [['Kiel', '0.2']],
      one: { n: 'inside' },
      seen: { text: expect.stringContaining('Thank you') },
    });
    expect(output.text).toMatch(/^outside[^]*Thank you/);
  });

  it('has spaces like any other, and no rows that are hidden', async () => {
    const { output } = await browser.run([
      goto('/odd'),
      { extract: { name: 'price', as: 'text', selector: '#price' } },
      { extract: { name: 'table', as: 'table', selector: '#odd' } },
      { extract: { name: 'sizes', as: 'value', selector: 'select' } },
    ]);
    expect(output).toMatchObject({ price: 'Price: 5 €', sizes: ['S', 'L'] });
    expect(output.table).toHaveLength(7);
  });

  const rows = {
    type: 'array',
    items: { type: 'object', properties: { port: {}, range: { type: 'number' } } },
  };
  it('is read as records: shown rows below the heading, each cell under its own', async () => {
    const { output } = await browser.run([
      goto('/odd'),
      { extract: { name: 'it', as: 'records', selector: '#odd', schema: rows } },
      {
        extract: {
          name: 'box',
          as: 'records',
          selector: '#box',
          schema: { type: 'object', properties: { maker: {}, year: { type: 'integer' } } },
        },
      },
    ]);
    expect(output.it).toEqual([
      { port: 'Brest', range: 6.1 },
      { port: 'Kiel', range: 0.2 },
      { port: 'Calais', range: 7 },
    ]);
    expect(output.box).toEqual({ maker: 'Babbage', year: 1837 });
  });

  it('is not mistaken for nothing when none of it was meant', async () => {
    const other = { type: 'object', properties: { colour: {} } };
    const { failure } = await browser.fails([
      goto('/odd'),
      { extract: { name: 'it', as: 'records', selector: '#odd', schema: other } },
    ]);
    expect(failure).toMatchObject({
      code: 'extract-mismatch',
      message: expect.stringMatching(/none of the properties/),
    });
  });
});

describe('an element', () => {
  it('that is called just so is meant, and not one that is called more', async () => {
    const { output } = await browser.run([goto('/odd'), { click: { role: 'button', name: 'Ok' } }]);
    expect(output.title).toBe('Ok');
  });

  it('is looked for below another one only', async () => {
    const { output } = await browser.run([goto('/odd'), { click: { text: 'Second', within: '#two' } }]);
    expect(output.title).toBe('two');
  });

  it('that is a box behind its label is checked by it, and one that is checked is left alone', async () => {
    const dark = { check: { label: 'Dark mode' } };
    const { output } = await browser.run([
      goto('/odd'),
      dark,
      dark,
      { extract: { name: 'box', as: 'fields', fields: { dark: '#dark' } } },
    ]);
    expect(output.box).toEqual({ dark: true });
  });

  it('is dragged to where it can only be scrolled to', async () => {
    const { output } = await browser.run([
      goto('/far'),
      { drag: { from: { text: 'Source' }, to: { text: 'Target' } } },
      textOf('said', '#said'),
    ]);
    expect(output.said).toBe('dropped');
  });
});

describe('files', () => {
  it('are downloaded as artifacts under their digest', async () => {
    const { output, artifacts, evidence } = await browser.run([
      goto('/files'),
      { download: { name: 'byClick', click: { role: 'link', name: 'Get it' } } },
      { download: { name: 'byAddress', url: `${site.url}/file.csv` } },
    ]);
    const digest = createHash('sha256').update(FILE).digest('hex');
    const file = { path: `artifacts/${digest}.csv`, digest, bytes: FILE.byteLength, filename: 'ports.csv' };
    expect(output).toMatchObject({ byClick: file, byAddress: file });
    expect(artifacts![0]).toMatchObject({ type: 'download', digest });
    expect(evidence).toContainEqual({ kind: 'file', path: file.path, digest, bytes: file.bytes });
    expect(Buffer.from(await browser.files.read(file.path))).toEqual(FILE);
  });

  it('are uploaded from the run’s folder, and from nowhere else', async () => {
    await browser.files.write('outputs/one.txt', 'first');
    await browser.files.write('outputs/two.txt', 'second');
    const { output } = await browser.run([
      goto('/files'),
      { upload: { label: 'Papers', files: ['outputs/one.txt', 'outputs/two.txt'] } },
      textOf('got', '#got'),
    ]);
    expect(output.got).toBe('one.txt=first,two.txt=second');
    await expect(
      browser.run([goto('/files'), { upload: { label: 'Papers', files: '/etc/passwd' } }]),
    ).rejects.toThrow('path');
  });

  it('are printed as a PDF, and pictures are of one element too', async () => {
    const { output, artifacts } = await browser.run([
      goto('/data'),
      { pdf: { name: 'paper' } },
      { screenshot: { name: 'table', of: { selector: '#ports' } } },
    ]);
    expect(artifacts!.map(({ type }) => type)).toEqual(['pdf', 'screenshot']);
    const paper = await browser.files.read(output.paper as string);
    expect(Buffer.from(paper.subarray(0, 5)).toString()).toBe('%PDF-');
    const png = Buffer.from(await browser.files.read(output.table as string));
    expect(png.readUInt32BE(16)).toBeLessThan(400);
  });
});

describe('what a page answers', () => {
  it('does not pass when it says “submitted” with HTTP 500', async () => {
    const { failure, artifacts } = await browser.fails([
      goto('/form'),
      { fill: { label: 'Name', value: 'Ada' } },
      { click: { role: 'button', name: 'Send' } },
      { assert: { text: 'submitted' } },
    ]);
    expect(failure).toMatchObject({
      kind: 'site',
      code: 'page-status',
      message: `action 3 (click): ${site.url}/send answered HTTP 500 Internal Server Error`,
    });
    expect(failure.evidence).toContainEqual({
      kind: 'request',
      method: 'POST',
      url: `${site.url}/send`,
      status: 500,
    });
    expect(artifacts).toHaveLength(1);
  });

  it('is judged once: a step that goes on in a tab with an error is not blamed for it', async () => {
    await browser.run([goto('/send')], {
      runId: 'run_err',
      stepId: 'one',
      step: { expect: [{ status: 500 }] },
    });
    const look = [{ extract: { name: 'text', as: 'text', selector: 'p' } }, { scroll: { to: 'bottom' } }];
    const two = { runId: 'run_err', stepId: 'two', step: { needs: ['one'] } };
    expect((await browser.run(look, two)).output).toMatchObject({
      text: 'Your form was submitted',
      status: 500,
    });
  });

  it('is nothing for a page that came over no network', async () => {
    const blank = { goto: { url: 'data:text/html,<title>Local</title>' } };
    const { output } = await browser.run([goto('/data'), blank]);
    expect(output).toMatchObject({ title: 'Local', status: null });
  });

  it('passes with an error that the step expects', async () => {
    const { output } = await browser.run([goto('/send')], { step: { expect: [{ status: 500 }] } });
    expect(output.status).toBe(500);
  });

  it('is seen by the checks of the step, and told without the values of a query', async () => {
    const expectations = [
      { request: { url: '/api', method: 'post', status: 202 } },
      { page: { text: 'submitted' } },
      { field: { of: { label: 'Name' }, value: 'x' } },
    ];
    const { output, evidence } = await browser.run(
      [goto('/spa'), { click: { role: 'button', name: 'Send' } }, { wait: { text: 'submitted' } }],
      { step: { expect: expectations } },
    );
    expect(output.seen).toMatchObject({ text: expect.stringMatching(/^submitted\s+Send$/) });
    expect(evidence).toContainEqual({
      kind: 'request',
      method: 'POST',
      url: `${site.url}/api?token=…`,
      status: 202,
    });
  });
});
