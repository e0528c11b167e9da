/// <reference lib="dom" />
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Locator, Page } from 'playwright-core';
import type { BrowserActionArgs } from '#events/actions/browser.js';
import type { Json } from '#events/shapes.js';
import { fail } from '../../failures/failures.js';
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
  const all = args.all ? await found.all() : [found.first()];
  const values = await Promise.all(all.map((element) => readOne(script, element, args)));
  if (JSON.stringify(values).length > MOST_CHARACTERS) throw tooMuch();
  return args.all ? values : values[0]!;
}

const tooMuch = (): Error =>
  fail('too-heavy', `the page holds more than the ${MOST_CHARACTERS} characters that can be extracted`);

async function readOne(script: Script, element: Locator, args: ExtractArgs): Promise<Json> {
  const how: How = {
    as: args.as,
    attribute: args.attribute ?? '',
    fields: args.fields ?? {},
    most: MOST_CHARACTERS,
  };
  const { timeout } = bounds(script);
  const read = await element.evaluate(readElement, how, { timeout });
  if (read.tooMuch) throw tooMuch();
  return read.value;
}

interface How {
  readonly as: string;
  readonly attribute: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly most: number;
}

/** Runs in the page. */
function readElement(
  element: Element,
  { as, attribute, fields, most }: How,
): { value: Json; tooMuch: boolean } {
  const text = (node: Element) => ((node as HTMLElement).innerText ?? node.textContent ?? '').trim();
  const valueOf = (node: Element): Json => {
    if (node instanceof HTMLInputElement && (node.type === 'checkbox' || node.type === 'radio'))
      return node.checked;
    return 'value' in node && typeof node.value === 'string' && !(node instanceof HTMLLIElement)
      ? node.value
      : text(node);
  };
  const read = (): Json => {
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
    if (as === 'fields') {
      const entries = Object.entries(fields).map(([name, selector]) => {
        const field = selector === ':scope' ? element : element.querySelector(selector);
        return [name, field ? valueOf(field) : null] as const;
      });
      return Object.fromEntries(entries);
    }
    return text(element);
  };
  // Neither of them is made before it is known to be bearable.
  if ((element.textContent ?? '').length > most) return { value: null, tooMuch: true };
  const value = read();
  return { value, tooMuch: typeof value === 'string' && value.length > most };
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

type Row = Readonly<Record<string, string>>;

/** Records that a page shows: the rows of a table under its headings, or the entries of a list by their labels. */
async function rowsOf(script: Script, found: Locator, { selector }: ExtractArgs): Promise<Row[]> {
  const { timeout } = bounds(script);
  const root = selector === undefined ? script.scope.locator('body') : found.first();
  return root.evaluate(readRows, undefined, { timeout });
}

/** Runs in the page. Headings and labels are told in lower case, letters and digits alone. */
function readRows(root: Element): Row[] {
  const text = (node: Element) => ((node as HTMLElement).innerText ?? node.textContent ?? '').trim();
  const key = (label: string) => label.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '');
  const table = root.matches('table') ? root : root.querySelector('table');
  if (table) {
    const rows = Array.from(table.querySelectorAll('tr'));
    const at = rows.findIndex((row) => row.querySelector('th'));
    const head = Array.from(rows[Math.max(at, 0)]?.children ?? [], (cell) => key(text(cell)));
    return rows
      .slice(Math.max(at, 0) + 1)
      .map((row) => Array.from(row.children, text))
      .filter((cells) => cells.length > 0)
      .map((cells) => Object.fromEntries(head.map((name, index) => [name, cells[index] ?? ''])));
  }
  const pairs = (entry: Element): Row => {
    const terms = Array.from(entry.querySelectorAll('dt'), (term) => {
      const value = term.nextElementSibling;
      return [key(text(term)), value ? text(value) : ''] as const;
    });
    if (terms.length > 0) return Object.fromEntries(terms);
    const lines = text(entry).split(/\n+/);
    return Object.fromEntries(
      lines.flatMap((line) => {
        const [, label, value] = /^([^:]{1,60}):\s*(.+)$/.exec(line) ?? [];
        return label === undefined || value === undefined ? [] : [[key(label), value] as const];
      }),
    );
  };
  const entries = Array.from(root.querySelectorAll('li, dl'));
  return (entries.length > 0 ? entries : [root]).map(pairs).filter((row) => Object.keys(row).length > 0);
}

interface RecordSchema {
  readonly type?: Json;
  readonly properties?: Readonly<Record<string, { readonly type?: Json; readonly title?: string }>>;
  readonly items?: RecordSchema;
}

/** What a JSON Schema asks for, out of what the page shows under the same names; what does not fit fails the step. */
function records(rows: readonly Row[], schema: Readonly<Record<string, Json>>): Json {
  const whole = schema as RecordSchema;
  const isList = whole.type === 'array';
  const properties = (isList ? whole.items : whole)?.properties ?? {};
  const found = rows.map((row) => recordOf(row, properties));
  const value: Json = isList ? found : (found[0] ?? null);
  const ajv = new Ajv2020({ allErrors: true, strict: false });
  if (ajv.validate(schema, value)) return value;
  // The words of the page stay out of it: where it does not fit, and with which rule.
  const [first] = ajv.errors ?? [];
  throw fail(
    'extract-mismatch',
    `what the page shows does not fit the schema: ${first?.instancePath || 'the whole'} ${first?.message ?? ''}`,
  );
}

const keyOf = (label: string): string => label.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '');

function recordOf(row: Row, properties: NonNullable<RecordSchema['properties']>): Record<string, Json> {
  const entries = Object.entries(properties).flatMap(([name, { type, title }]): [string, Json][] => {
    const text = row[keyOf(title ?? name)] ?? row[keyOf(name)];
    return text === undefined ? [] : [[name, typed(text, type)]];
  });
  return Object.fromEntries(entries);
}

/** The text of a cell as the type that the schema names; as text, when it is no such thing. */
function typed(text: string, type: Json | undefined): Json {
  if (type === 'number' || type === 'integer') {
    const number = Number(text.replace(/[\s,'’]/g, ''));
    return text.trim() !== '' && Number.isFinite(number) ? number : text;
  }
  if (type === 'boolean')
    return /^(yes|true|✓|1)$/i.test(text) ? true : /^(no|false|0|)$/i.test(text) ? false : text;
  return text;
}
