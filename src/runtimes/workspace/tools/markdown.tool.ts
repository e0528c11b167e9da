import TurndownService from 'turndown';
import { z } from 'zod';
import { sha256 } from '../../../log/hash-chain.js';
import { defineTool } from '../tool.js';

const turndown = new TurndownService({
  headingStyle: 'atx',
  codeBlockStyle: 'fenced',
  bulletListMarker: '-',
});
turndown.remove(['script', 'style', 'noscript']);

/** A YAML double-quoted scalar: JSON strings are one. */
const quoted = (value: string): string => JSON.stringify(value);

export const markdownTool = defineTool({
  name: 'text.markdown',
  description:
    'Turns HTML (or text) into a Markdown note with title, URL, date and the digest of its body in front matter, and saves it.',
  schema: z
    .strictObject({
      path: z.string().min(1),
      html: z.string().optional(),
      text: z.string().optional(),
      title: z.string().default('Untitled'),
      url: z.string().optional(),
      date: z.string().nullable().optional(),
    })
    .refine(
      (args) => (args.html === undefined) !== (args.text === undefined),
      'expected exactly one of html, text',
    ),
  call: async (args, { files }) => {
    const body = args.html === undefined ? args.text! : turndown.turndown(args.html);
    const front = [
      `title: ${quoted(args.title)}`,
      ...(args.url === undefined ? [] : [`url: ${quoted(args.url)}`]),
      ...(args.date ? [`date: ${quoted(args.date)}`] : []),
      `sha256: ${sha256(body.trim())}`,
    ];
    const note = `---\n${front.join('\n')}\n---\n\n# ${args.title}\n\n${body.trim()}\n`;
    const facts = await files.write(args.path, note);
    const output = { ...facts, title: args.title, url: args.url ?? null, date: args.date ?? null };
    return {
      output,
      content: true,
      artifacts: [{ ...facts, type: 'text', mediaType: 'text/markdown' }],
      evidence: [{ kind: 'file', ...facts }],
    };
  },
});
