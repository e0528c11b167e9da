import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { startBrowser, type Ran } from '../support/site-driver.js';
import { startSite, type Page, type Site } from '../support/site-pages.js';

const INSTALLED = fileURLToPath(new URL('../../node_modules/', import.meta.url));
/** Packages that come with a page of their own, which is opened as it is. */
const WITH_PAGE = ['awesomplete', 'dragula', 'jquery-ui-dist', 'selectize'];
const WITHOUT_PAGE = [
  'atomico',
  'cally',
  'datatables.net',
  'datatables.net-dt',
  'dropzone',
  'flatpickr',
  'jquery',
  'select2',
  'sortablejs',
  'tablesorter',
];
const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
};

/** The files of an installed package, at `/<its name>/<path>`; no other path, with `..` or without, leads to a file. */
function filesOf(name: string): [string, Page][] {
  const folder = join(INSTALLED, name);
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const file = join(entry.parentPath, entry.name);
      const path = relative(folder, file).split(sep).join('/');
      return [`/${name}/${path}`, (_, response) => void send(response, file)];
    });
}

async function send(response: ServerResponse, file: string): Promise<void> {
  const content = await readFile(file);
  response.setHeader('content-type', MEDIA_TYPES[extname(file)] ?? 'application/octet-stream').end(content);
}

const PEOPLE = [
  ['Tiger Nixon', 'Edinburgh', '61', '$320,800'],
  ['Garrett Winters', 'Tokyo', '63', '$170,750'],
  ['Ashton Cox', 'San Francisco', '66', '$86,000'],
  ['Cedric Kelly', 'Edinburgh', '22', '$433,060'],
  ['Airi Satou', 'Tokyo', '33', '$162,700'],
  ['Rhona Davidson', 'Tokyo', '55', '$327,900'],
  ['Sonya Frost', 'Edinburgh', '23', '$103,600'],
  ['Jena Gaines', 'London', '30', '$90,560'],
];
const row = (cells: readonly string[]) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
const TABLE = `<table id="people"><thead><tr><th>Name</th><th>Office</th><th>Age</th><th>Salary</th></tr></thead>
<tbody>${PEOPLE.map(row).join('')}</tbody></table>`;

/** For those without a page: the least that embeds the widget, as its own documentation shows. */
const EMBEDDED = {
  '/data-table': `<link rel="stylesheet" href="/datatables.net-dt/css/dataTables.dataTables.css">
    <script src="/datatables.net/js/dataTables.js"></script>${TABLE}
    <script>new DataTable('#people', { pageLength: 3, lengthMenu: [3, 5] })</script>`,
  '/tablesorter': `<script src="/jquery/dist/jquery.js"></script>
    <script src="/tablesorter/dist/js/jquery.tablesorter.combined.js"></script>
    <link rel="stylesheet" href="/tablesorter/dist/css/theme.default.min.css">${TABLE}
    <script>$('#people').tablesorter({ widgets: ['filter'] })</script>`,
  '/flatpickr': `<link rel="stylesheet" href="/flatpickr/dist/flatpickr.css">
    <script src="/flatpickr/dist/flatpickr.js"></script>
    <label>Arrival <input id="arrival"></label><label>Stay <input id="stay"></label>
    <script>flatpickr('#arrival', { defaultDate: '2031-05-14' });
      flatpickr('#stay', { mode: 'range', minDate: '2031-05-01', maxDate: '2031-05-31' })</script>`,
  '/cally': `<script type="importmap">{ "imports": { "atomico": "/atomico/core.js" } }</script>
    <script type="module" src="/cally/dist/cally.js"></script>
    <calendar-date value="2031-05-14" locale="en-GB" onchange="said.textContent = this.value">
      <calendar-month></calendar-month></calendar-date><p id="said"></p>`,
  '/select2': `<link rel="stylesheet" href="/select2/dist/css/select2.css"><script src="/jquery/dist/jquery.js"></script>
    <script src="/select2/dist/js/select2.js"></script>
    <select id="port"><option>Brest<option>Kiel<option>Gdańsk</select>
    <select id="ports" multiple style="width: 300px"><option>Brest<option>Kiel<option>Gdańsk</select>
    <script>$('select').select2()</script>`,
  '/sortable': `<script src="/sortablejs/Sortable.js"></script>
    <ul id="items"><li>item 1</li><li>item 2</li><li>item 3</li></ul>
    <script>Sortable.create(document.getElementById('items'))</script>`,
  '/dropzone': `<link rel="stylesheet" href="/dropzone/dist/dropzone.css">
    <script src="/dropzone/dist/dropzone-min.js"></script><form action="/taken" class="dropzone" id="papers"></form>
    <script>new Dropzone('#papers')</script>`,
};

/** Bodies of the forms that were sent. */
const taken: string[] = [];
async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  taken.push(Buffer.concat(chunks).toString());
  response.setHeader('content-type', 'application/json').end('{}');
}

let browser: Ran;
let site: Site;
beforeAll(async () => {
  const embedded = Object.entries(EMBEDDED).map(([path, body]) => [path, `<!doctype html>${body}`] as const);
  site = await startSite({
    ...Object.fromEntries([...WITH_PAGE, ...WITHOUT_PAGE].flatMap(filesOf)),
    ...Object.fromEntries(embedded),
    '/taken': (request, response) => void take(request, response),
  });
  browser = await startBrowser();
});
afterEach(() => void taken.splice(0));
afterAll(async () => {
  await browser.close();
  await site.close();
});

/** What the actions leave in the output. A page gets nothing from anywhere but the test site. */
async function on(path: string, actions: object[], expectations?: object[]) {
  const { output } = await browser.run([{ goto: { url: `${site.url}${path}` } }, ...actions], {
    metadata: { onlyHosts: ['127.0.0.1'] },
    ...(expectations && { step: { expect: expectations } }),
  });
  return output;
}
const textOf = (name: string, selector: string) => ({ extract: { name, as: 'text', selector } });
const textsOf = (name: string, selector: string) => ({ extract: { name, as: 'text', selector, all: true } });
const valueOf = (name: string, selector: string) => ({ extract: { name, as: 'value', selector } });
const typed = (value: string) => ({ type: { value } });
const pressed = (key: string) => ({ press: { key } });

describe('a data table', () => {
  const person = { name: { type: 'string' }, office: { type: 'string' }, age: { type: 'integer' } };
  const schema = {
    type: 'array',
    items: { type: 'object', properties: person, required: Object.keys(person) },
  };
  const people = (name: string) => ({ extract: { name, as: 'records', selector: '#people', schema } });

  it('is sorted by a column, up and down, and turned to its next page (DataTables)', async () => {
    const age = { click: { role: 'columnheader', name: 'Age' } };
    const top = (name: string) => ({
      wait: { selector: `#people tbody tr:visible >> nth=0 >> text=${name}` },
    });
    const { first, next, oldest } = await on('/data-table', [
      age,
      top('Cedric Kelly'),
      people('first'),
      { click: { role: 'link', name: 'Next' } },
      top('Airi Satou'),
      people('next'),
      age,
      top('Ashton Cox'),
      people('oldest'),
    ]);
    expect(first).toEqual([
      { name: 'Cedric Kelly', office: 'Edinburgh', age: 22 },
      { name: 'Sonya Frost', office: 'Edinburgh', age: 23 },
      { name: 'Jena Gaines', office: 'London', age: 30 },
    ]);
    expect((next as object[])[0]).toEqual({ name: 'Airi Satou', office: 'Tokyo', age: 33 });
    expect((oldest as object[])[0]).toEqual({ name: 'Ashton Cox', office: 'San Francisco', age: 66 });
  });

  it('is searched, and shows more rows of a page (DataTables)', async () => {
    const { found, count, more } = await on('/data-table', [
      { fill: { label: 'Search', value: 'tok' } },
      { wait: { text: 'Showing 1 to 3 of 3 entries' } },
      people('found'),
      textOf('count', '.dt-info'),
      { fill: { label: 'Search', value: '' } },
      { select: { label: 'entries per page', value: '5' } },
      { wait: { text: 'Showing 1 to 5 of 8 entries' } },
      people('more'),
    ]);
    expect((found as { name: string }[]).map(({ name }) => name)).toEqual([
      'Airi Satou',
      'Garrett Winters',
      'Rhona Davidson',
    ]);
    expect(count).toBe('Showing 1 to 3 of 3 entries (filtered from 8 total entries)');
    expect(more).toHaveLength(5);
  });

  it('is filtered by a field below a heading, and sorted (tablesorter)', async () => {
    const { rows, people: asRecords } = await on('/tablesorter', [
      { type: { label: 'Filter "Office" column by', value: 'tok' } },
      { wait: { text: 'Tiger Nixon', gone: true } },
      { click: { role: 'columnheader', name: 'Age' } },
      { wait: { selector: '#people tbody tr:visible >> nth=0 >> text=Airi Satou' } },
      people('people'),
      textsOf('rows', '#people tbody tr:visible'),
    ]);
    expect((asRecords as { age: number }[]).map(({ age }) => age)).toEqual([33, 55, 63]);
    expect(rows).toEqual([
      'Airi Satou\tTokyo\t33\t$162,700',
      'Rhona Davidson\tTokyo\t55\t$327,900',
      'Garrett Winters\tTokyo\t63\t$170,750',
    ]);
  });
});

describe('a date', () => {
  it('is chosen by the days of a calendar, and read back from its field (flatpickr)', async () => {
    const field = { of: { label: 'Arrival' }, value: '2031-06-19' };
    const { arrival, stay, seen } = await on(
      '/flatpickr',
      [
        { click: { label: 'Arrival' } },
        { click: { selector: '.open .flatpickr-next-month' } },
        { click: { label: 'June 19, 2031' } },
        valueOf('arrival', '#arrival'),
        { click: { label: 'Stay' } },
        { click: { selector: '.open [aria-label="May 5, 2031"]' } },
        { click: { selector: '.open [aria-label="May 9, 2031"]' } },
        valueOf('stay', '#stay'),
      ],
      [{ field }],
    );
    expect({ arrival, stay }).toEqual({ arrival: '2031-06-19', stay: '2031-05-05 to 2031-05-09' });
    expect(Object.values((seen as { fields: object }).fields)).toEqual(['2031-06-19']);
  });

  it('is chosen inside two shadow roots, by the names of buttons (cally)', async () => {
    const { said, june } = await on('/cally', [
      { click: { role: 'button', name: 'Next' } },
      { click: { role: 'button', name: '19 June' } },
      textOf('said', '#said'),
      { extract: { name: 'june', as: 'snapshot', selector: 'calendar-month' } },
    ]);
    expect(said).toBe('2031-06-19');
    expect(june).toContain('- button "19 June" [pressed]');
  });
});

describe('a list to choose from', () => {
  it('opens, finds what is typed, and takes it (select2)', async () => {
    const { port } = await on('/select2', [
      { click: { role: 'combobox', nth: 0 } },
      { wait: { selector: '.select2-container--open .select2-search__field:focus' } },
      typed('gd'),
      { wait: { selector: '.select2-results__option--highlighted:text-is("Gdańsk")' } },
      pressed('Enter'),
      valueOf('port', '#port'),
    ]);
    expect(port).toBe('Gdańsk');
  });

  it('takes more than one, and gives one back (select2)', async () => {
    const chosen = (name: string) => textsOf(name, '.select2-selection__choice');
    const { both, left } = await on('/select2', [
      { click: { role: 'combobox', nth: 1 } },
      typed('ki'),
      { click: { role: 'option', name: 'Kiel' } },
      typed('br'),
      { click: { role: 'option', name: 'Brest' } },
      chosen('both'),
      { click: { text: '×', nth: 0 } },
      chosen('left'),
    ]);
    expect({ both, left }).toEqual({ both: ['×Brest', '×Kiel'], left: ['×Kiel'] });
  });

  it('may be chosen from by its select element, too, which it hides (select2)', async () => {
    const { shown } = await on('/select2', [
      { select: { selector: '#port', value: 'Kiel' } },
      textOf('shown', '#select2-port-container'),
    ]);
    expect(shown).toBe('Kiel');
  });

  it('adds and removes states with the keyboard (selectize)', async () => {
    const states = (name: string) => textOf(name, '#select-state + .value');
    const { more, less } = await on('/selectize/examples/basic.html', [
      { click: { label: 'States', nth: 0 } },
      typed('ohi'),
      pressed('Enter'),
      states('more'),
      pressed('Backspace'),
      pressed('Backspace'),
      states('less'),
    ]);
    expect(more).toBe('Current Value: ["CA","WY","OH"]');
    expect(less).toBe('Current Value: ["CA"]');
  });

  it('removes a tag when it asks and is answered, and not when it is not (selectize)', async () => {
    const remove = { click: { role: 'link', name: '×', nth: 0 } };
    const tags = (name: string) => textOf(name, '#input-tags + .value');
    const { kept, removed } = await on('/selectize/examples/plugins.html', [
      remove,
      tags('kept'),
      { dialog: { accept: true } },
      remove,
      tags('removed'),
    ]);
    expect(kept).toBe('Current Value: "awesome,neat"');
    expect(removed).toBe('Current Value: "neat"');
  });

  it('completes what is typed, by the mouse and by the keyboard (Awesomplete)', async () => {
    const { language, tags } = await on('/awesomplete/index.html', [
      { type: { label: 'Pick a programming language', value: 'ja' } },
      { click: { role: 'option', name: 'JavaScript' } },
      valueOf('language', 'input.awesomplete >> nth=0'),
      { type: { label: 'Tags (comma separated)', value: 'ht' } },
      pressed('ArrowDown'),
      pressed('Enter'),
      typed('sv'),
      pressed('ArrowDown'),
      pressed('Enter'),
      valueOf('tags', '#multiple-values input'),
    ]);
    expect({ language, tags }).toEqual({ language: 'JavaScript', tags: 'HTML, SVG, ' });
  });
});

describe('what is dragged', () => {
  it('goes further than to the next place, and up again (Sortable)', async () => {
    const { down, up } = await on('/sortable', [
      { drag: { from: { text: 'item 1' }, to: { text: 'item 3' } } },
      textsOf('down', '#items li'),
      { drag: { from: { text: 'item 1' }, to: { text: 'item 2' } } },
      textsOf('up', '#items li'),
    ]);
    expect(down).toEqual(['item 2', 'item 3', 'item 1']);
    expect(up).toEqual(['item 1', 'item 2', 'item 3']);
  });

  it('changes its place with the next one, by the browser’s own drag and drop (Sortable)', async () => {
    const { down, up } = await on('/sortable', [
      { drag: { from: { text: 'item 1' }, to: { text: 'item 2' } } },
      textsOf('down', '#items li'),
      { drag: { from: { text: 'item 3' }, to: { text: 'item 1' } } },
      textsOf('up', '#items li'),
    ]);
    expect(down).toEqual(['item 2', 'item 1', 'item 3']);
    expect(up).toEqual(['item 2', 'item 3', 'item 1']);
  });

  it('goes from one list into the other, by the mouse (dragula)', async () => {
    const { left, right } = await on('/dragula/index.html', [
      { drag: { from: { text: 'Anxious Cab Driver' }, to: { text: 'Banana Boat' } } },
      textsOf('left', '#left-rm-spill > div'),
      textsOf('right', '#right-rm-spill > div'),
    ]);
    expect(left).toEqual(['Thriving Venture', 'Such a good blog', 'Calm Clam']);
    expect((right as string[]).slice(0, 2)).toEqual(['Anxious Cab Driver', 'Banana Boat']);
  });

  it('is thrown away outside of the lists (dragula)', async () => {
    const { left } = await on('/dragula/index.html', [
      { drag: { from: { text: 'Calm Clam' }, to: { text: 'Need to be able to quickly delete stuff' } } },
      textsOf('left', '#left-rm-spill > div'),
    ]);
    expect(left).toEqual(['Anxious Cab Driver', 'Thriving Venture', 'Such a good blog']);
  });
});

describe('the page of jQuery UI', () => {
  const PAGE = '/jquery-ui-dist/index.html';

  it('opens a part of an accordion, and a tab; both are called the same', async () => {
    const { accordion, tab } = await on(PAGE, [
      { click: { role: 'tab', name: 'Third', nth: 0 } },
      { extract: { name: 'accordion', as: 'snapshot', selector: '#accordion' } },
      { click: { role: 'tab', name: 'Second', nth: 1 } },
      textOf('tab', '#tabs [role=tabpanel]:visible'),
    ]);
    expect(accordion).toContain('- tab "Third" [expanded] [selected]');
    expect(accordion).toContain('- tabpanel "Third": Nam dui erat, auctor a, dignissim quis.');
    expect(tab).toMatch(/^Phasellus mattis tincidunt nibh\. Cras orci urna/);
  });

  it('opens a dialog, which is moved and closed', async () => {
    const place = (name: string) => ({
      extract: { name, as: 'attribute', attribute: 'style', selector: '[role=dialog]' },
    });
    const { dialog, opened, moved } = await on(PAGE, [
      { click: { role: 'button', name: 'Open Dialog' } },
      { extract: { name: 'dialog', as: 'snapshot', selector: '[role=dialog]' } },
      place('opened'),
      { drag: { from: { text: 'Dialog Title' }, to: { at: { x: 640, y: 40 } } } },
      place('moved'),
      { click: { role: 'button', name: 'Ok' } },
      { assert: { selector: '[role=dialog]:visible', absent: true } },
    ]);
    expect(dialog).toMatch(/^- dialog "Dialog Title":\n.*Dialog Title\n {2}- button "Close"\n/);
    expect(opened).toMatch(/ top: /);
    expect(moved).toMatch(/ top: /);
    expect(moved).not.toBe(opened);
  });

  it('completes what is typed, and moves a slider by the mouse and the keyboard', async () => {
    const { language, from, range } = await on(PAGE, [
      { type: { selector: '#autocomplete', value: 'jav' } },
      { click: { text: 'JavaScript', exact: true } },
      valueOf('language', '#autocomplete'),
      { drag: { from: { selector: '#slider span', nth: 0 }, to: { selector: '#slider' } } },
      pressed('ArrowRight'),
      { extract: { name: 'from', as: 'attribute', attribute: 'style', selector: '#slider span >> nth=0' } },
      { extract: { name: 'range', as: 'attribute', attribute: 'style', selector: '#slider > div' } },
    ]);
    expect(language).toBe('JavaScript');
    expect({ from, range }).toEqual({ from: 'left: 51%;', range: 'left: 51%; width: 16%;' });
  });

  it('fills a form whose fields are dressed up', async () => {
    const { car } = await on(PAGE, [
      { click: { selector: '#car-type-button' } },
      { click: { role: 'option', name: 'Truck' } },
      { check: { label: 'Automatic' } },
      { check: { label: 'Insurance' } },
      { press: { label: '# of cars', key: 'ArrowUp' } },
      {
        extract: {
          name: 'car',
          as: 'fields',
          selector: '#controlgroup',
          fields: {
            type: '#car-type',
            standard: '#transmission-standard',
            automatic: '#transmission-automatic',
            insurance: '#insurance',
            count: '#horizontal-spinner',
          },
        },
      },
    ]);
    expect(car).toEqual({ type: 'Truck', standard: false, automatic: true, insurance: true, count: '1' });
  });
});

describe('an upload', () => {
  it('has the type that its name says, and goes through the chooser that a button opens (Dropzone)', async () => {
    await browser.files.write('outputs/pic.png', 'no picture, but called one');
    const before = taken.length;
    const { shown } = await on('/dropzone', [
      { upload: { role: 'button', name: 'Drop files here to upload', files: 'outputs/pic.png' } },
      { wait: { selector: '.dz-success' } },
      textsOf('shown', '[data-dz-name]'),
    ]);
    expect(shown).toEqual(['pic.png']);
    expect(taken[before]).toContain('Content-Type: image/png');
  });

  it('sends two files of the run’s folder, and shows that they arrived (Dropzone)', async () => {
    await browser.files.write('outputs/one.txt', 'first');
    await browser.files.write('outputs/two.txt', 'second');
    const { shown } = await on('/dropzone', [
      { upload: { selector: 'input[type=file]', files: ['outputs/one.txt', 'outputs/two.txt'] } },
      { wait: { selector: '.dz-success ~ .dz-success' } },
      textsOf('shown', '[data-dz-name]'),
    ]);
    expect(shown).toEqual(['one.txt', 'two.txt']);
    const sent = taken.map((body) => {
      const [, name, content] = /filename="([^"]+)"[^]*\r\n\r\n([^]*?)\r\n--/.exec(body) ?? [];
      return `${name}: ${content}`;
    });
    expect(sent).toHaveLength(2);
    // They are sent at the same time.
    expect(new Set(sent)).toEqual(new Set(['one.txt: first', 'two.txt: second']));
  });
});
