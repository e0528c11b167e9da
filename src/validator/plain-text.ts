/**
 * The words of a Markdown text without its inline markup: links are their text, emphasis, code marks and escapes are
 * gone, white space is single. What a reader sees is what is quoted, and what a quotation is held against.
 */
export function plainText(markdown: string): string {
  return markdown
    .replace(/!\[[^\]]*\]\([^)]*\)/g, '')
    .replace(/\[((?:\\.|[^\]\\])*)\]\([^)]*\)/g, '$1')
    .replace(/<((?:https?|mailto):[^>\s]+)>/g, '$1')
    .replace(/(?<![\\\w])(\*\*|__|\*|_)(?=\S)([\s\S]*?\S)\1(?!\w)/g, '$2')
    .replace(/`+([^`]*)`+/g, '$1')
    .replace(/\\([\\`*_{}[\]()#+\-.!<>|~&"'])/g, '$1')
    .replace(/\s+/g, ' ')
    .trim();
}
