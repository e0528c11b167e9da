/// <reference lib="dom" />
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import type { BrowserAction } from '#events/actions/browser.js';
import type { Json } from '#events/shapes.js';
import { fail } from '../../failures/failures.js';

type ExtractArgs = Extract<BrowserAction, { name: 'extract' }>['args'];

const readabilitySource = readFileSync(
  createRequire(import.meta.url).resolve('@mozilla/readability/Readability.js'),
  'utf8',
);

/** Reads from the page what an `extract` action asks for. */
export async function extract(page: Page, args: ExtractArgs): Promise<Json> {
  if (args.as === 'article') return article(page);
  const found = page.locator(args.selector ?? 'body');
  const all = args.all ? await found.all() : [found.first()];
  const values = await Promise.all(
    all.map((element) => element.evaluate(readElement, { as: args.as, attribute: args.attribute ?? '' })),
  );
  return args.all ? values : values[0]!;
}

/** Runs in the page. */
function readElement(element: Element, { as, attribute }: { as: string; attribute: string }): Json {
  const text = (node: Element) => ((node as HTMLElement).innerText ?? node.textContent ?? '').trim();
  if (as === 'html') return element.innerHTML;
  if (as === 'value') return (element as HTMLInputElement).value ?? null;
  if (as === 'attribute') return element.getAttribute(attribute);
  if (as === 'links') {
    return Array.from(element.querySelectorAll('a[href]'), (link) => ({
      text: text(link),
      href: (link as HTMLAnchorElement).href,
    }));
  }
  if (as === 'table') {
    return Array.from(element.querySelectorAll('tr'), (row) =>
      Array.from(row.querySelectorAll('th,td'), text),
    );
  }
  return text(element);
}

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
    const parsed = new Readability(document.cloneNode(true)).parse();
    return parsed && { title: parsed.title, byline: parsed.byline, publishedTime: parsed.publishedTime, lang: parsed.lang,
      content: parsed.content, textContent: parsed.textContent };
  })()`;
  const parsed = await page.evaluate<Article | null>(expression);
  if (!parsed?.content || !parsed.textContent?.trim())
    throw fail('no-article', `${page.url()} has no main article`);
  return {
    title: parsed.title || (await page.title()) || page.url(),
    byline: parsed.byline ?? null,
    publishedTime: parsed.publishedTime ?? null,
    lang: parsed.lang ?? null,
    html: parsed.content,
    text: parsed.textContent.trim(),
  };
}
