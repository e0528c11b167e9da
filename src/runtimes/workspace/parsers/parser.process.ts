import type { Json } from '#events/shapes.js';
import type { ParserJob, ParserKind } from './run-parser.js';

/** Its own process, with little memory and little time: documents come from anywhere. */
type Parser = (bytes: Uint8Array, options: ParserJob['options']) => Promise<Json>;

const parsers: { readonly [K in ParserKind]: Parser } = {
  pdf: async (bytes) => {
    const { extractText, getDocumentProxy } = await import('unpdf');
    const document = await getDocumentProxy(new Uint8Array(bytes), { verbosity: 0 });
    const { text } = await extractText(document, { mergePages: false });
    return { pages: text };
  },
  docx: async (bytes) => {
    const { default: mammoth } = await import('mammoth');
    const { value } = await mammoth.extractRawText({ buffer: Buffer.from(bytes) });
    return { text: value };
  },
  xlsx: async (bytes) => {
    const { default: readSheets } = await import('read-excel-file/node');
    const sheets = await readSheets(Buffer.from(bytes));
    return {
      sheets: sheets.map(({ sheet, data }) => ({ name: sheet, rows: data.map((row) => row.map(cellOf)) })),
    };
  },
  html: async (bytes) => {
    const { default: TurndownService } = await import('turndown');
    const turndown = new TurndownService({ headingStyle: 'atx' });
    turndown.remove(['script', 'style', 'noscript', 'head']);
    // A row of a table stays a line, its cells apart: that is what is asked of it.
    turndown.addRule('cell', { filter: ['td', 'th'], replacement: (content) => `${content.trim()}\t` });
    turndown.addRule('row', { filter: 'tr', replacement: (content) => `${content.trim()}\n` });
    const html = new TextDecoder().decode(bytes);
    const [, title = ''] = /<title[^>]*>([^<]*)<\/title>/i.exec(html) ?? [];
    return { text: turndown.turndown(html), title: title.trim() };
  },
  csv: async (bytes, { delimiter }) => {
    const { parse } = await import('csv-parse/sync');
    const text = new TextDecoder().decode(bytes);
    const rows = parse(text, {
      bom: true,
      relax_column_count: true,
      skip_empty_lines: true,
      delimiter: delimiter ?? delimiterOf(text),
    });
    return { rows };
  },
};

/** A cell as JSON has it: a date as its day, or as its instant when it has a time. */
function cellOf(cell: unknown): Json {
  if (cell instanceof Date) return cell.toISOString().replace(/T00:00:00\.000Z$/, '');
  return typeof cell === 'string' || typeof cell === 'number' || typeof cell === 'boolean' ? cell : null;
}

/** The one of the usual delimiters that the first line has most of. */
function delimiterOf(text: string): string {
  const [first = ''] = text.split('\n', 1);
  const counts = [',', ';', '\t', '|'].map((each) => [first.split(each).length, each] as const);
  return counts.reduce((best, each) => (each[0] > best[0] ? each : best))[1];
}

async function answerTo({ kind, bytes, options }: ParserJob): Promise<object> {
  try {
    return { value: await parsers[kind](bytes, options) };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

process.once('message', (job: ParserJob) => {
  void answerTo(job).then((answer) => process.send!(answer, () => process.exit(0)));
});
