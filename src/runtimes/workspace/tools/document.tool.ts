import { z } from 'zod';
import type { FileFacts } from '../../../agentfs/agentfs.js';
import { fail } from '../../../failures/failures.js';
import { defineTool, type Tool } from '../tool.js';
import { renderHtml } from './html-page.js';

/** Makes a PDF of a page that asks for nothing outside itself. */
export type PrintPdf = (html: string, signal: AbortSignal) => Promise<Uint8Array>;

const MEDIA_TYPES = { md: 'text/markdown', html: 'text/html', pdf: 'application/pdf' } as const;
type Format = keyof typeof MEDIA_TYPES;

/** `report.document`, with whoever can print. */
export const createDocumentTool = (printPdf: PrintPdf | undefined): Tool =>
  defineTool({
    name: 'report.document',
    description: 'Writes Markdown as a report: .md, and .html and .pdf beside it as asked for.',
    schema: z.strictObject({
      path: z.string().regex(/\.md$/, 'expected a path that ends in .md'),
      title: z.string().min(1).max(300),
      markdown: z.string(),
      formats: z.array(z.enum(['html', 'pdf'])).default(['html']),
    }),
    call: async ({ path, title, markdown, formats }, { files, signal }) => {
      const html = await renderHtml(title, markdown);
      const write = async (format: Format, data: string | Uint8Array): Promise<[Format, FileFacts]> => [
        format,
        await files.write(path.replace(/\.md$/, `.${format}`), data),
      ];
      const written = [await write('md', markdown)];
      if (formats.includes('html')) written.push(await write('html', html));
      if (formats.includes('pdf')) written.push(await write('pdf', await printed(printPdf, html, signal)));
      return {
        output: Object.fromEntries(written.map(([format, facts]) => [format, facts.path])),
        content: false,
        artifacts: written.map(([format, facts]) => ({
          ...facts,
          type: 'report',
          mediaType: MEDIA_TYPES[format],
        })),
        evidence: written.map(([, facts]) => ({ kind: 'file', ...facts })),
      };
    },
  });

function printed(printPdf: PrintPdf | undefined, html: string, signal: AbortSignal): Promise<Uint8Array> {
  if (!printPdf) throw fail('no-browser', 'a PDF is printed by a browser, and there is none here');
  return printPdf(html, signal);
}
