/// <reference lib="dom" />
import type { Json } from '#events/shapes.js';

/** What is to be read of an element; `most` is in UTF-16 units. */
export interface How {
  readonly as: string;
  readonly attribute: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly most: number;
}

/** Runs in the page, for one element or, at one moment, for all of several. What lies in open shadow roots is part of what a person sees. */
export function readElements(
  given: Element | Element[],
  { as, attribute, fields, most }: How,
): { value: Json; tooMuch: boolean }[] {
  const roots = (node: Element | ShadowRoot): ShadowRoot[] => {
    const own = node instanceof Element && node.shadowRoot ? [node.shadowRoot] : [];
    const below = Array.from(node.querySelectorAll('*'), (each) => each.shadowRoot).filter(
      (root) => root !== null,
    );
    return [...own, ...below].flatMap((root) => [root, ...roots(root)]);
  };
  const find = (element: Element, selector: string): Element[] =>
    [element, ...roots(element)].flatMap((root) => Array.from(root.querySelectorAll(selector)));
  const tidy = (words: string) => words.replace(/\u00a0/g, ' ').trim();
  const text = (node: Element) => tidy((node as HTMLElement).innerText ?? node.textContent ?? '');
  const deepText = (node: Element) => {
    const hidden = roots(node)
      .flatMap((root) => Array.from(root.children, text))
      .filter((words) => words !== '');
    return tidy([text(node), ...hidden].join('\n'));
  };
  const isShown = (node: Element) => node.getClientRects().length > 0;
  const valueOf = (node: Element): Json => {
    if (node instanceof HTMLSelectElement && node.multiple)
      return Array.from(node.selectedOptions, ({ value }) => value);
    if (node instanceof HTMLInputElement && (node.type === 'checkbox' || node.type === 'radio'))
      return node.checked;
    const isField = 'value' in node && typeof node.value === 'string' && !(node instanceof HTMLLIElement);
    return isField ? (node.value as string) : deepText(node);
  };
  const read = (element: Element): Json => {
    if (as === 'html') return element.innerHTML;
    if (as === 'value') return 'value' in element ? valueOf(element) : null;
    if (as === 'attribute') return element.getAttribute(attribute);
    if (as === 'links')
      return find(element, 'a[href]').map((link) => ({
        text: text(link),
        href: (link as HTMLAnchorElement).href,
      }));
    if (as === 'table')
      return find(element, 'tr')
        .filter(isShown)
        .map((row) =>
          Array.from(row.children)
            .filter((cell) => cell.matches('th,td'))
            .map(text),
        );
    if (as === 'fields') {
      const entries = Object.entries(fields).map(([name, selector]) => {
        const field = selector === ':scope' ? element : find(element, selector)[0];
        return [name, field ? valueOf(field) : null] as const;
      });
      return Object.fromEntries(entries);
    }
    return deepText(element);
  };
  return (Array.isArray(given) ? given : [given]).map((element) => {
    // It is not made before it is known to be bearable.
    if ((element.textContent ?? '').length > most) return { value: null, tooMuch: true };
    const value = read(element);
    return { value, tooMuch: typeof value === 'string' && value.length > most };
  });
}
