import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Locator, Page } from 'playwright-core';
import type { BrowserActionArgs } from '#events/actions/browser.js';
import type { Json } from '#events/shapes.js';
import { fail } from '../../failures/failures.js';
import { readElements, type How } from './read-element.js';
import { records, rowsOf } from './records.js';
import { bounds, type Script } from './script.js';

type ExtractArgs = BrowserActionArgs<'extract'>;

const readabilitySource = readFileSync(
  createRequire(import.meta.url).resolve('@mozilla/readability/Readability.js'),
  'utf8',
);
/** More than a model or a person can read; in UTF-16 units. */
const MOST_CHARACTERS = 10_000_000;
/** Above this, Readability would hold the page up for minutes. */
const MOST_ELEMENTS = 200_000;

/** Reads from the page what an `extract` action asks for. */
export async function extract(script: Script, args: ExtractArgs): Promise<Json> {
  const { page, scope } = script;
  if (args.as === 'article') return article(page);
  const found = scope.locator(args.selector ?? (args.as === 'snapshot' ? 'html' : 'body'));
  if (args.as === 'snapshot') return found.first().ariaSnapshot(bounds(script));
  if (args.as === 'records') return records(await rowsOf(script, found, args), args.schema!);
  const how: How = {
    as: args.as,
    attribute: args.attribute ?? '',
    fields: args.fields ?? {},
    most: MOST_CHARACTERS,
  };
  const { timeout } = bounds(script);
  // All of them in one go: a page that changes meanwhile would show the same twice, or not at all.
  const read = args.all
    ? await found.evaluateAll(readElements, how)
    : await found.first().evaluate(readElements, how, { timeout });
  const values = read.map(({ value }) => value);
  if (read.some((each) => each.tooMuch) || JSON.stringify(values).length > MOST_CHARACTERS) throw tooMuch();
  return args.all ? values : values[0]!;
}

const tooMuch = (): Error =>
  fail('too-heavy', `the page holds more than the ${MOST_CHARACTERS} characters that can be extracted`);

/** What a person reads of an element; nothing, when it is more than `most`. */
export async function textOf(element: Locator, most: number): Promise<string | undefined> {
  const how = { as: 'text', attribute: '', fields: {}, most };
  const [read] = await element.evaluate(readElements, how, { timeout: TEXT_MS });
  return typeof read?.value === 'string' && !read.tooMuch ? read.value : undefined;
}
const TEXT_MS = 5_000;

interface Article {
  readonly title: string | null;
  readonly byline: string | null;
  readonly publishedTime: string | null;
  readonly lang: string | null;
  readonly content: string | null;
  readonly textContent: string | null;
}

/** The main article, by Mozilla's Readability, on a copy of the page's own document. */
async function article(page: Page): Promise<Json> {
  const expression = `(() => { ${readabilitySource}
    if (document.getElementsByTagName('*').length > ${MOST_ELEMENTS}) return 'too-much';
    const parsed = new Readability(document.cloneNode(true)).parse();
    return parsed && { title: parsed.title, byline: parsed.byline, publishedTime: parsed.publishedTime, lang: parsed.lang,
      content: parsed.content, textContent: parsed.textContent };
  })()`;
  const parsed = await page.evaluate<Article | 'too-much' | null>(expression);
  if (parsed === 'too-much') throw tooMuch();
  if (!parsed?.content || !parsed.textContent?.trim())
    throw fail('no-article', 'the page has no main article');
  return {
    title: parsed.title || (await page.title()) || page.url(),
    byline: parsed.byline ?? null,
    publishedTime: parsed.publishedTime ?? null,
    lang: parsed.lang ?? null,
    html: parsed.content,
    text: parsed.textContent.trim(),
  };
}
