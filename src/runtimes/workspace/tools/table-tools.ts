import { stringify } from 'csv-stringify/sync';
import { extname } from 'node:path';
import { z } from 'zod';
import type { Json } from '#events/shapes.js';
import { fail } from '../../../failures/failures.js';
import { runParser } from '../parsers/run-parser.js';
import { defineTool, type ToolContext } from '../tool.js';
import { kindOf } from './text-tools.js';

type Row = Record<string, Json>;
const path = z.string().min(1).max(1024);
const rowsSchema = z.array(z.record(z.string(), z.json())).max(100_000);
/** A table as it is, or the file it is in. */
const tableSchema = z.union([rowsSchema, path]);

const read = defineTool({
  name: 'table.read',
  description:
    'A table out of a CSV, TSV, XLSX or JSON file: { columns, rows: [{ column: value }] }. The first row holds the names of the columns.',
  schema: z.strictObject({
    path,
    sheet: z.string().optional(),
    delimiter: z.string().length(1).optional(),
  }),
  call: async (args, context) => {
    const rows = await readTable(args.path, context, args);
    return { output: { path: args.path, columns: columnsOf(rows), rows }, content: true };
  },
});

const write = defineTool({
  name: 'table.write',
  description: 'Writes rows into a .csv or .json file, with all their columns or those that are named.',
  schema: z.strictObject({
    path: path.regex(/\.(csv|json)$/i, 'expected a path that ends in .csv or .json'),
    rows: rowsSchema,
    columns: z.array(z.string()).optional(),
  }),
  call: async ({ path: target, rows, columns = columnsOf(rows) }, { files }) => {
    const text = /\.json$/i.test(target) ? `${JSON.stringify(rows, undefined, 2)}\n` : csvOf(rows, columns);
    const facts = await files.write(target, text);
    const mediaType = /\.json$/i.test(target) ? 'application/json' : 'text/csv';
    return {
      output: { ...facts, rows: rows.length, columns },
      content: false,
      artifacts: [{ ...facts, type: 'table', mediaType }],
      evidence: [{ kind: 'file', ...facts }],
    };
  },
});

const sum = defineTool({
  name: 'table.sum',
  description: 'Adds up a column of a table, over all rows or by another column: { total, count, groups? }.',
  schema: z.strictObject({ table: tableSchema, column: z.string(), by: z.string().optional() }),
  call: async ({ table, column, by }, context) => {
    const rows = await rowsOf(table, context);
    const groups = new Map<string, number>();
    for (const row of rows) {
      const key = by === undefined ? '' : String(row[by] ?? '');
      groups.set(key, exact((groups.get(key) ?? 0) + numberOf(row[column] ?? null, column)));
    }
    const total = [...groups.values()].reduce((all, each) => exact(all + each), 0);
    const output = {
      total,
      count: rows.length,
      ...(by !== undefined && { groups: Object.fromEntries(groups) }),
    };
    return { output, content: true };
  },
});

const join = defineTool({
  name: 'table.join',
  description:
    'Joins two tables on a column that both have: { rows, unmatched }. A column of both keeps the value of the first.',
  schema: z.strictObject({ left: tableSchema, right: tableSchema, on: z.string() }),
  call: async ({ left, right, on }, context) => {
    const [rows, others] = [await rowsOf(left, context), await rowsOf(right, context)];
    const byKey = Map.groupBy(others, (row) => JSON.stringify(row[on] ?? null));
    const pairs = rows.map((row) => [row, byKey.get(JSON.stringify(row[on] ?? null)) ?? []] as const);
    const output = {
      rows: pairs.flatMap(([row, matches]) => matches.map((match) => ({ ...match, ...row }))),
      unmatched: pairs.flatMap(([row, matches]) => (matches.length === 0 ? [row] : [])),
    };
    return { output, content: true };
  },
});

const rowsOf = async (table: Row[] | string, context: ToolContext): Promise<Row[]> =>
  typeof table === 'string' ? readTable(table, context, {}) : table;

async function readTable(
  name: string,
  { files, signal }: ToolContext,
  { sheet, delimiter }: { sheet?: string | undefined; delimiter?: string | undefined },
): Promise<Row[]> {
  const bytes = await files.read(name);
  if (extname(name).toLowerCase() === '.json') return readJson(name, bytes);
  const kind = kindOf(name, bytes);
  if (kind === 'xlsx') {
    const value = (await runParser({ kind, bytes, options: {} }, name, signal)) as unknown;
    const { sheets } = value as { sheets: { name: string; rows: Json[][] }[] };
    const found = sheet === undefined ? sheets[0] : sheets.find((each) => each.name === sheet);
    if (!found)
      throw fail(
        'bad-arguments',
        `${name} has no sheet "${sheet}"; it has: ${sheets.map((each) => each.name).join(', ')}`,
      );
    return withNames(found.rows);
  }
  if (kind !== 'csv' && kind !== 'text') throw fail('not-readable', `${name} holds no table this tool knows`);
  const value = (await runParser({ kind: 'csv', bytes, options: { delimiter } }, name, signal)) as unknown;
  return withNames((value as { rows: Json[][] }).rows);
}

function readJson(name: string, bytes: Uint8Array): Row[] {
  try {
    return rowsSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    throw fail('not-readable', `${name} is not a JSON list of objects`);
  }
}

function withNames([names = [], ...rows]: Json[][]): Row[] {
  const columns = names.map((name, at) => String(name ?? '').trim() || `column ${at + 1}`);
  return rows.map((row) => Object.fromEntries(columns.map((column, at) => [column, row[at] ?? null])));
}

const columnsOf = (rows: readonly Row[]): string[] => [...new Set(rows.flatMap((row) => Object.keys(row)))];

/** A text that a spreadsheet would take for a formula is written so that it does not. */
const harmless = (value: Json): Json =>
  typeof value === 'string' && /^[=+@\t\r]|^-[^\d.]/.test(value) ? `'${value}` : value;

const csvOf = (rows: readonly Row[], columns: readonly string[]): string =>
  stringify(
    rows.map((row) => columns.map((column) => asCell(harmless(row[column] ?? null)))),
    { header: true, columns: columns.map((header, key) => ({ key: String(key), header })) },
  );

const asCell = (value: Json): string =>
  value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value);

/** A number as tables have them: `1234.5`, `1,234.50`, `1.234,50`, with a currency before or behind it. */
export function numberOf(value: Json, column: string): number {
  if (typeof value === 'number') return value;
  const text = typeof value === 'string' ? value.replace(/[^\d.,-]/g, '') : '';
  const decimal = Math.max(text.lastIndexOf('.'), text.lastIndexOf(','));
  const isDecimal = decimal >= 0 && text.length - decimal - 1 !== 3;
  const whole = (isDecimal ? text.slice(0, decimal) : text).replace(/[.,]/g, '');
  const number = Number(isDecimal ? `${whole}.${text.slice(decimal + 1)}` : whole);
  if (text !== '' && Number.isFinite(number)) return number;
  throw fail('bad-arguments', `${column}: ${JSON.stringify(value)} is not a number`);
}

/** Sums of amounts with few decimals, without the dust that binary fractions leave. */
const exact = (value: number): number => Math.round(value * 1e6) / 1e6;

export const tableTools = [read, write, sum, join];
