import type { Check } from '#events/plan.js';
import type { Json } from '#events/shapes.js';

export type PageCheck = Extract<
  Check,
  { page: unknown } | { field: unknown } | { request: unknown } | { download: unknown }
>;

export const isPageCheck = (check: Check): check is PageCheck =>
  'page' in check || 'field' in check || 'request' in check || 'download' in check;

/** Under which name a browser tells what a field held at the end. */
export const fieldKey = (check: Extract<PageCheck, { field: unknown }>): string =>
  JSON.stringify(check.field.of);

/** What a browser step says of the page it ended on. */
interface PageOutput {
  readonly url?: string;
  readonly title?: string;
  readonly status?: number | null;
  readonly seen?: {
    /** Null when it could not be read whole. */
    readonly text?: string | null;
    readonly fields?: Readonly<Record<string, string | null>>;
    readonly requests?: readonly { method: string; url: string; status?: number }[];
  };
}

/**
 * What is wrong with the page a browser step ended on, or nothing. The words of the page stay out of it: it is told by the
 * check as it stands in the plan, with its expressions.
 */
export function pageFinding(check: PageCheck, output: Json, told: PageCheck = check): string | undefined {
  const isObject = output !== null && typeof output === 'object' && !Array.isArray(output);
  if (!isObject) return 'the step has no page';
  const page = output as unknown as PageOutput;
  if ('page' in check) return wrongPage(check.page, page, (told as typeof check).page);
  if ('field' in check) return wrongField(check, page);
  if ('request' in check) return wrongRequest(check.request, page, (told as typeof check).request.url);
  return wrongDownload(check.download, Object.values(output));
}

type WantedPage = Extract<PageCheck, { page: unknown }>['page'];

function wrongPage(wanted: WantedPage, page: PageOutput, told: WantedPage): string | undefined {
  const { url = '', title = '', status, seen } = page;
  const shown = plain(seen?.text ?? '');
  const shows = (words: string) => shown.includes(plain(words));
  const wrong: [unknown, boolean, string][] = [
    [wanted.url, !url.includes(wanted.url ?? ''), `the page is not at ${told.url}`],
    [
      wanted.title,
      !plain(title).includes(plain(wanted.title ?? '')),
      `the title of the page does not hold “${told.title}”`,
    ],
    [wanted.status, status !== wanted.status, `the page was answered with ${status}, not ${wanted.status}`],
    [wanted.text, !shows(wanted.text ?? ''), `the page does not show “${told.text}”`],
    // What was not looked at may be there.
    [
      wanted.absent,
      typeof seen?.text !== 'string' || shows(wanted.absent ?? ''),
      `the page shows “${told.absent}”`,
    ],
  ];
  return wrong.find(([given, holds]) => given !== undefined && holds)?.[2];
}

/** One space is as good as another: what a person sees is compared, and not how a page was typed. */
const plain = (text: string): string => text.replace(/\s+/g, ' ').trim();

function wrongField(check: Extract<PageCheck, { field: unknown }>, { seen }: PageOutput): string | undefined {
  const value = seen?.fields?.[fieldKey(check)] ?? null;
  if (value === null) return 'the field is not on the page';
  return value === check.field.value ? undefined : 'the field holds another value';
}

function wrongRequest(
  wanted: Extract<PageCheck, { request: unknown }>['request'],
  { seen }: PageOutput,
  told: string,
): string | undefined {
  const method = wanted.method?.toUpperCase();
  const sent = (seen?.requests ?? []).filter(
    (request) => request.url.includes(wanted.url) && (method === undefined || request.method === method),
  );
  const what = `${method ?? 'request'} ${told}`;
  if (sent.length === 0) return `the page sent no ${what}`;
  if (wanted.status === undefined || sent.some(({ status }) => status === wanted.status)) return undefined;
  return `${what} was answered with ${sent.map(({ status }) => status ?? 'nothing').join(', ')}, not ${wanted.status}`;
}

interface Downloaded {
  readonly path: string;
  readonly digest: string;
  readonly bytes: number;
  readonly filename: string;
}

const isDownloaded = (value: unknown): value is Downloaded =>
  typeof value === 'object' && value !== null && 'filename' in value && 'digest' in value && 'bytes' in value;

function wrongDownload(
  { name, digest, minBytes = 0 }: Extract<PageCheck, { download: unknown }>['download'],
  values: readonly unknown[],
): string | undefined {
  const files = values
    .flatMap((value) => (Array.isArray(value) ? (value as unknown[]) : [value]))
    .filter(isDownloaded);
  if (files.length === 0) return 'nothing was downloaded';
  const fits = files.some(
    (file) =>
      (name === undefined || file.filename.includes(name)) &&
      (digest === undefined || file.digest === digest) &&
      file.bytes >= minBytes,
  );
  return fits ? undefined : `none of the ${files.length} downloads is the one that was expected`;
}
