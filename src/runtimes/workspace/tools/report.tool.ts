import { z } from 'zod';
import type { Artifact } from '#events/shapes.js';
import { defineTool } from '../tool.js';
import { renderHtml } from './html-page.js';
import { summarise } from './summarise.js';

const QUOTES_PER_SOURCE = 3;

const sourceSchema = z.looseObject({
  note: z.string().min(1),
  url: z.string(),
  title: z.string(),
  date: z.string().nullable().optional(),
});
const failedSchema = z.looseObject({ url: z.string(), reason: z.string() });
type Source = z.infer<typeof sourceSchema>;
type Failed = z.infer<typeof failedSchema>;

interface Citation {
  readonly number: number;
  readonly url: string;
  readonly title: string;
  readonly note: string;
  readonly quotes: readonly string[];
}

export const reportTool = defineTool({
  name: 'report.render',
  description:
    'Writes a report over notes: a summary per source with numbered citations, and the sources that failed.',
  schema: z.strictObject({
    title: z.string().min(1),
    topic: z.string().default(''),
    path: z.string().regex(/\.md$/, 'expected a path that ends in .md'),
    sources: z.array(sourceSchema),
    failed: z.array(failedSchema).default([]),
  }),
  call: async (args, { files }) => {
    const citations = await Promise.all(
      args.sources.map(async (source, index) =>
        cite(source, index + 1, args.topic, await textOf(source.note)),
      ),
    );
    const markdown = renderMarkdown(args.title, args.topic, citations, args.failed);
    const html = await renderHtml(args.title, markdown);
    const report = await files.write(args.path, markdown);
    const page = await files.write(args.path.replace(/\.md$/, '.html'), html);
    return {
      output: {
        report: report.path,
        html: page.path,
        cited: citations.map(({ number, url, note }) => ({ number, url, note })),
        quotes: citations.flatMap(({ note, quotes }) => quotes.map((quote) => ({ note, quote }))),
        failed: args.failed.map(({ url, reason }) => ({ url, reason })),
      },
      content: true,
      artifacts: [artifactOf(report, 'text/markdown'), artifactOf(page, 'text/html')],
      evidence: [report, page].map((facts) => ({ kind: 'file' as const, ...facts })),
    };

    async function textOf(note: string): Promise<string> {
      return new TextDecoder().decode(await files.read(note));
    }
  },
});

const artifactOf = (facts: { path: string; digest: string; bytes: number }, mediaType: string): Artifact => ({
  ...facts,
  type: 'report',
  mediaType,
});

const cite = (source: Source, number: number, topic: string, note: string): Citation => ({
  number,
  url: source.url,
  title: source.title,
  note: source.note,
  quotes: summarise(note, topic, QUOTES_PER_SOURCE),
});

/** Page text must not become Markdown or HTML of the report's own. */
const plain = (text: string): string => text.replace(/\s+/g, ' ').replace(/([\\`*_[\]<>|#~&])/g, '\\$1');
const link = (url: string): string => `<${url.replace(/[<>\s]/g, encodeURIComponent)}>`;

function renderMarkdown(
  title: string,
  topic: string,
  citations: readonly Citation[],
  failed: readonly Failed[],
): string {
  const counts = `${citations.length} of ${citations.length + failed.length} sources were read.`;
  return [
    `# ${plain(title)}`,
    topic && `What the sources say about ${plain(topic)}. ${counts}`,
    ...citations.map(section),
    '## Sources',
    citations
      .map(
        ({ number, title: name, url, note }) =>
          `${number}. ${plain(name)}, ${link(url)} (note: ${plain(note)})`,
      )
      .join('\n'),
    ...(failed.length > 0
      ? ['## Not read', failed.map(({ url, reason }) => `- ${link(url)}: ${plain(reason)}`).join('\n')]
      : []),
  ]
    .filter(Boolean)
    .join('\n\n')
    .concat('\n');
}

const section = ({ number, title, quotes }: Citation): string =>
  [
    `## ${plain(title)}`,
    ...(quotes.length > 0
      ? quotes.map((quote) => `> “${plain(quote)}” [${number}]`)
      : [`No sentence of this source could be quoted. [${number}]`]),
  ].join('\n\n');
