import { z } from 'zod';
import type { Json } from '#events/shapes.js';
import type { RunFiles } from '../../../../agentfs/agentfs.js';
import { fail } from '../../../../failures/failures.js';
import { defineTool } from '../../tool.js';
import { runParser } from '../../parsers/run-parser.js';
import { textOfFile } from '../text-tools.js';
import { parseInvoice, problemsOf } from './parse-invoice.js';

const read = defineTool({
  name: 'invoice.read',
  description:
    'What an invoice (PDF, DOCX, HTML, CSV, text) says: { vendor, number, date, currency, lines, subtotal, tax, total, problems, path, digest }. A scan is refused.',
  schema: z.strictObject({ path: z.string().min(1).max(1024) }),
  call: async ({ path }, { files, signal }) => {
    const { text, digest } = await invoiceText(path, files, signal);
    const invoice = parseInvoice(text);
    if (invoice.total === null && invoice.lines.length === 0 && invoice.number === null)
      throw fail('not-an-invoice', `${path} has no invoice number, no lines and no total`);
    return {
      output: { ...invoice, problems: problemsOf(invoice), path, digest } as unknown as Json,
      content: true,
    };
  },
});

/** The text of an invoice, the cells of a row apart from each other. */
export async function invoiceText(
  path: string,
  files: RunFiles,
  signal: AbortSignal,
): Promise<{ text: string; digest: string }> {
  const { kind, text, digest } = await textOfFile(path, files, signal);
  if (kind !== 'csv') return { text, digest };
  const job = { kind, bytes: Buffer.from(text), options: {} } as const;
  const { rows } = (await runParser(job, path, signal)) as unknown as { rows: string[][] };
  return { text: rows.map((row) => row.join('\t')).join('\n'), digest };
}

const readSchema = z.looseObject({
  path: z.string(),
  vendor: z.string().nullable(),
  number: z.string().nullable(),
  problems: z.array(z.string()),
});
const refusedSchema = z.looseObject({ failure: z.looseObject({ message: z.string() }) });

const sort = defineTool({
  name: 'invoice.sort',
  description:
    'Sorts invoices that were read: { good, questionable, duplicates, refused }. Questionable ones do not add up or lack something; of the same number of the same vendor the first counts.',
  schema: z.strictObject({
    invoices: z.array(z.union([readSchema, refusedSchema])),
    paths: z.array(z.string()),
  }),
  call: ({ invoices, paths }) => {
    const seen = new Map<string, string>();
    const sorted: Record<'good' | 'questionable' | 'duplicates' | 'refused', Json[]> = {
      good: [],
      questionable: [],
      duplicates: [],
      refused: [],
    };
    for (const [place, each] of invoices.entries()) {
      if (!('path' in each)) {
        const { message } = each.failure;
        sorted.refused.push({ path: paths[place] ?? '', reason: message });
        continue;
      }
      const invoice = each as z.infer<typeof readSchema>;
      const key = `${invoice.vendor?.toLowerCase()} ${invoice.number?.toLowerCase()}`;
      const first = invoice.number === null ? undefined : seen.get(key);
      if (first !== undefined)
        sorted.duplicates.push({ path: invoice.path, number: invoice.number, of: first });
      else {
        seen.set(key, invoice.path);
        sorted[invoice.problems.length === 0 ? 'good' : 'questionable'].push(invoice as unknown as Json);
      }
    }
    return Promise.resolve({ output: sorted, content: true });
  },
});

export const invoiceTools = [read, sort];
