import { Marked } from 'marked';

/** Markdown as a page of its own. Raw HTML in it is shown as text: a report quotes pages nobody here wrote. */
export async function renderHtml(title: string, markdown: string): Promise<string> {
  const marked = new Marked({ async: true, gfm: true, renderer: { html: ({ text }) => escapeHtml(text) } });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>
body { font: 16px/1.6 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem; color: #1b1f24; }
blockquote { margin: 1rem 0; padding: .1rem 1rem; border-left: 3px solid #8aa4c8; background: #f5f8fc; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #d8dee6; padding-bottom: .3rem; }
a { color: #0b57b7; overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border: 1px solid #d8dee6; padding: .3rem .6rem; text-align: left; }
</style>
${await marked.parse(markdown)}</html>
`;
}

const escapeHtml = (text: string): string =>
  text.replace(
    /[&<>"]/g,
    (character) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[character]!,
  );
