import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { packageRoot } from '../../src/setup/package-root.js';
import { jsonOf, skyagent } from '../support/server-cli.js';
import { makeHome, type TestHome } from '../support/server-home.js';
import type { RunBody } from '../support/server-test.js';
import { pagesOf, startSite, status, type Site } from '../support/site-pages.js';

const PAGES = ['tides.html', 'spring-neap.html', 'tide-tables.html'];
const FAILED = ['/missing.html', '/broken.html'];

let home: TestHome;
let site: Site;
let run: RunBody;
let report: string;
const inRun = (path: string) => readFile(join(home.folder, 'agentfs', 'missions', run.id, path), 'utf8');

beforeAll(async () => {
  home = await makeHome();
  const pages = await pagesOf(join(packageRoot, 'templates', 'web_research', 'sample-site'), PAGES);
  site = await startSite({ ...pages, '/broken.html': status(500) });
  const urls = [...PAGES.map((page) => `/${page}`), ...FAILED].flatMap((path) => [
    '--input',
    `urls[]=${site.url}${path}`,
  ]);
  const args = [
    'run',
    '--template',
    'web_research',
    '--input',
    'topic=How large the tides are, and when',
    ...urls,
  ];
  const ended = await skyagent(home, [...args, '--allow-host', '127.0.0.1', '--json']);
  run = jsonOf<RunBody>(ended);
  report = await inRun('outputs/report.md').catch(() => '');
}, 120_000);
afterAll(async () => {
  await site.close();
  await home.remove();
});

/** The sources a report numbers, each with its address. */
function sources(): Map<string, string> {
  return new Map(
    Array.from(report.matchAll(/^\s*(?:\[(\d+)\]|(\d+)\.).*?<(http[^>]+)>/gm), ([, bracket, dot, url]) => [
      (bracket ?? dot)!,
      url!,
    ]),
  );
}

/** Sentences the report quotes, each with the number it cites. */
const quotes = () =>
  Array.from(report.matchAll(/“([^”]+)”[^\n]*?\\?\[(\d+)\\?\]/g), ([, quote, number]) => ({
    quote: quote!,
    number: number!,
  }));
const plain = (text: string) => text.replace(/\\([\\`*_[\]<>|#~&])/g, '$1').replace(/\s+/g, ' ');

describe('web_research on the sample site', () => {
  it('succeeds, though two pages do not load', () => {
    expect(run).toMatchObject({ status: 'succeeded', failure: null });
    expect(run.stepsFinished).toBe(run.stepsTotal);
  });

  it('opened every page that was asked for', () => {
    expect(
      FAILED.concat(PAGES.map((page) => `/${page}`)).filter((path) => !site.hits.includes(path)),
    ).toEqual([]);
  });

  it('numbers every page that loaded as a source, and no other', () => {
    expect([...sources().values()].slice(0, 3)).toEqual(PAGES.map((page) => `${site.url}/${page}`));
  });

  it('quotes each source, word for word as its note has it', async () => {
    const found = quotes();
    expect(new Set(found.map(({ number }) => number))).toEqual(new Set(['1', '2', '3']));
    for (const { quote, number } of found) {
      const note = await inRun(`outputs/notes/${number.padStart(3, '0')}.md`);
      expect(plain(note)).toContain(plain(quote));
    }
  });

  it('lists the pages that did not load, each with its reason', () => {
    expect(report).toMatch(/missing\.html[^\n]*HTTP 404/);
    expect(report).toMatch(/broken\.html[^\n]*HTTP 500/);
  });

  it('keeps each page as a note with where it is from', async () => {
    for (const [index, page] of PAGES.entries()) {
      const note = await inRun(`outputs/notes/00${index + 1}.md`);
      expect(note).toContain(`url: "${site.url}/${page}"\n`);
      expect(note).toMatch(/^---\ntitle: ".+"\n/);
    }
  });

  it('has an HTML edition that loads nothing from elsewhere', async () => {
    const page = await inRun('outputs/report.html');
    expect(page).toMatch(/^<!doctype html>/i);
    expect(page).not.toMatch(/<script|<img|<link|@import/i);
  });
});
