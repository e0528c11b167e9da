/// <reference lib="dom" />
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Locator } from 'playwright-core';
import type { BrowserActionArgs } from '#events/actions/browser.js';
import type { Json } from '#events/shapes.js';
import { fail } from '../../failures/failures.js';
import { bounds, type Script } from './script.js';

type Row = Readonly<Record<string, string>>;

/** Records that a page shows: the rows of a table under its headings, or the entries of a list by their labels. */
export async function rowsOf(
  script: Script,
  found: Locator,
  { selector }: BrowserActionArgs<'extract'>,
): Promise<Row[]> {
  const { timeout } = bounds(script);
  const root = selector === undefined ? script.scope.locator('body') : found.first();
  return root.evaluate(readRows, undefined, { timeout });
}

/**
 * Runs in the page. Headings and labels are told in lower case, letters and digits alone. Of a table its own rows count that
 * are shown: those below its heading (the row of nothing but `th`; of several, the one with the most), not its foot, not a
 * row that is one cell across. A table without such a heading, whose rows are a `th` and a `td`, is one record.
 */
function readRows(root: Element): Row[] {
  const text = (node: Element) =>
    ((node as HTMLElement).innerText ?? node.textContent ?? '').replace(/\u00a0/g, ' ').trim();
  const key = (label: string) => label.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '');
  const isShown = (node: Element) => node.getClientRects().length > 0;
  const table = root.matches('table') ? root : root.querySelector('table');
  if (table) {
    const rows = Array.from(table.querySelectorAll('tr')).filter(
      (row) => row.closest('table') === table && isShown(row) && !row.closest('tfoot'),
    );
    const cellsOf = (row: Element) => Array.from(row.children) as HTMLTableCellElement[];
    const isHeading = (row: Element) =>
      cellsOf(row).length > 1 && cellsOf(row).every((cell) => cell.matches('th'));
    const wide = (row: Element) =>
      cellsOf(row).flatMap((cell) => [text(cell), ...Array<string>(cell.colSpan - 1).fill('')]);
    const headings = rows.filter(isHeading).sort((a, b) => cellsOf(b).length - cellsOf(a).length);
    const [heading] = headings;
    const data = rows.filter((row) => !isHeading(row) && !row.closest('thead'));
    if (!heading) {
      const pairs = data.filter((row) => cellsOf(row).length === 2 && row.children[0]!.matches('th'));
      const named = pairs.map((row) => [key(text(row.children[0]!)), text(row.children[1]!)] as const);
      if (named.length > 0) return [Object.fromEntries(named)];
    }
    const head = wide(heading ?? rows[0] ?? table).map(key);
    return data
      .filter((row) => row !== rows[0] || heading !== undefined)
      .filter((row) => cellsOf(row).length > 1 || head.length === 1)
      .map(wide)
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
export function records(rows: readonly Row[], schema: Readonly<Record<string, Json>>): Json {
  const whole = schema as RecordSchema;
  const isList = whole.type === 'array';
  const found = recordsOf(rows, (isList ? whole.items : whole)?.properties ?? {});
  const value: Json = isList ? found : (found[0] ?? null);
  const ajv = new Ajv2020({ allErrors: true, strict: false });
  if (ajv.validate(schema, value)) return value;
  // The words of the page stay out of it: where it does not fit, and with which rule.
  const [first] = ajv.errors ?? [];
  throw mismatch(
    `what the page shows does not fit the schema: ${first?.instancePath || 'the whole'} ${first?.message ?? ''}`,
  );
}

const mismatch = (message: string): Error => fail('extract-mismatch', message);

type Properties = NonNullable<RecordSchema['properties']>;

/** Whether a page shows nothing, or something else than what is wanted, is not the same. */
function recordsOf(rows: readonly Row[], properties: Properties): Record<string, Json>[] {
  const found = rows.map((row) => recordOf(row, properties));
  const wanted = Object.keys(properties).length > 0;
  if (wanted && found.length > 0 && found.every((each) => Object.keys(each).length === 0))
    throw mismatch('none of the properties is a heading of the table, or a label of the list');
  return found;
}

const keyOf = (label: string): string => label.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '');

function recordOf(row: Row, properties: Properties): Record<string, Json> {
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
