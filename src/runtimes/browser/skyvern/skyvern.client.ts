import { z } from 'zod';
import type { Json } from '#events/shapes.js';

export interface SkyvernSettings {
  /** `https://api.skyvern.com`, or where a Skyvern of one's own listens. */
  readonly baseUrl: string;
  /** Before every path of the API, e.g. `/v1`. */
  readonly apiPath: string;
  readonly apiKey?: string | undefined;
}

/** `POST /v1/run/tasks`, as far as it is used; what is not set is not sent. */
export interface SkyvernTaskRequest {
  readonly prompt: string;
  readonly url?: string | undefined;
  readonly title: string;
  readonly engine?: string | undefined;
  readonly proxy_location?: Json | undefined;
  readonly data_extraction_schema?: Json | undefined;
  readonly error_code_mapping?: Readonly<Record<string, string>> | undefined;
  readonly max_steps?: number | undefined;
  readonly webhook_url?: string | undefined;
  readonly totp_identifier?: string | undefined;
  readonly totp_url?: string | undefined;
  readonly browser_session_id?: string | undefined;
  readonly browser_profile_id?: string | undefined;
  readonly model?: Json | undefined;
  readonly extra_http_headers?: Readonly<Record<string, string>> | undefined;
  readonly include_action_history_in_verification?: boolean | undefined;
  readonly max_screenshot_scrolls?: number | undefined;
}

const STATUSES = [
  'created',
  'queued',
  'running',
  'paused',
  'timed_out',
  'failed',
  'terminated',
  'completed',
  'canceled',
] as const;
const fileSchema = z.looseObject({
  url: z.string(),
  checksum: z.string().nullish(),
  filename: z.string().nullish(),
});
/** A run as Skyvern tells it. Fields that a newer version has are let through; what is missing counts as not there. */
const runSchema = z.looseObject({
  run_id: z.string().min(1),
  status: z.enum(STATUSES),
  output: z.json().nullish(),
  downloaded_files: z.array(fileSchema).nullish(),
  recording_url: z.string().nullish(),
  screenshot_urls: z.array(z.string()).nullish(),
  failure_reason: z.string().nullish(),
  errors: z.array(z.record(z.string(), z.json())).nullish(),
  step_count: z.int().nullish(),
  app_url: z.string().nullish(),
  browser_session_id: z.string().nullish(),
});
export type SkyvernRun = z.infer<typeof runSchema>;
export type SkyvernStatus = SkyvernRun['status'];

const listSchema = z.array(
  z.looseObject({
    run_id: z.string().nullish(),
    task_run_id: z.string().nullish(),
    title: z.string().nullish(),
  }),
);
const sessionSchema = z.looseObject({
  browser_session_id: z.string().min(1),
  status: z.string().nullish(),
  app_url: z.string().nullish(),
});
export type SkyvernSession = z.infer<typeof sessionSchema>;

const TERMINAL: ReadonlySet<SkyvernStatus> = new Set([
  'completed',
  'failed',
  'terminated',
  'canceled',
  'timed_out',
]);
export const isTerminal = ({ status }: SkyvernRun): boolean => TERMINAL.has(status);

/** Skyvern answered with an error, or not at all (`status` 0: nobody knows whether it heard the question). */
export class SkyvernError extends Error {
  readonly code = 'skyvern-error';
  constructor(
    readonly status: number,
    message: string,
    readonly retryAfterMs?: number,
    /** Skyvern has surely not heard the question: there was no connection to it. */
    readonly unheard = false,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'SkyvernError';
  }
}

export interface SkyvernClient {
  readonly submit: (request: SkyvernTaskRequest, signal: AbortSignal) => Promise<SkyvernRun>;
  readonly run: (id: string, signal: AbortSignal) => Promise<SkyvernRun>;
  /** The run that was submitted under a title, or nothing. */
  readonly findByTitle: (title: string, signal: AbortSignal) => Promise<string | undefined>;
  readonly cancel: (id: string, signal: AbortSignal) => Promise<void>;
  readonly openSession: (minutes: number, signal: AbortSignal) => Promise<SkyvernSession>;
  readonly session: (id: string, signal: AbortSignal) => Promise<SkyvernSession>;
  readonly closeSession: (id: string, signal: AbortSignal) => Promise<void>;
  /** An address that Skyvern gave, made whole. */
  readonly addressOf: (url: string) => string;
  /** The bytes behind an address that Skyvern gave, up to a size. */
  readonly fetchFile: (url: string, maxBytes: number, signal: AbortSignal) => Promise<Uint8Array>;
}

const ANSWER_MS = 30_000;
const FILE_MS = 120_000;

/** The calls of Skyvern's HTTP API that a driver needs, for its cloud and for one of one's own. */
export function createSkyvernClient({ baseUrl, apiPath, apiKey }: SkyvernSettings): SkyvernClient {
  const root = new URL(`${baseUrl.replace(/\/$/, '')}/${apiPath.replace(/^\/|\/$/g, '')}/`);
  const headers = { accept: 'application/json', ...(apiKey !== undefined && { 'x-api-key': apiKey }) };

  async function ask(
    method: 'GET' | 'POST',
    path: string,
    signal: AbortSignal,
    body?: unknown,
  ): Promise<Json> {
    const response = await fetch(new URL(path, root), {
      method,
      headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
      redirect: 'error',
    }).catch((error: unknown) => {
      throw unanswered(error, signal);
    });
    const text = await response.text().catch((error: unknown) => {
      throw unanswered(error, signal);
    });
    if (!response.ok) throw refused(response, text);
    return parsed(response.status, text);
  }

  const runOf = (answer: Json): SkyvernRun => read(runSchema, answer, 'a run');
  return {
    submit: async (request, signal) => runOf(await ask('POST', 'run/tasks', signal, request)),
    run: async (id, signal) => runOf(await ask('GET', `runs/${encodeURIComponent(id)}`, signal)),
    findByTitle: async (title, signal) => {
      const query = new URLSearchParams({ search_key: title, page_size: '20' });
      const found = read(listSchema, await ask('GET', `runs?${query}`, signal), 'a list of runs');
      const run = found.find((each) => each.title === title);
      return run?.run_id ?? run?.task_run_id ?? undefined;
    },
    cancel: async (id, signal) => void (await ask('POST', `runs/${encodeURIComponent(id)}/cancel`, signal)),
    openSession: async (timeout, signal) =>
      read(sessionSchema, await ask('POST', 'browser_sessions', signal, { timeout }), 'a browser session'),
    session: async (id, signal) =>
      read(
        sessionSchema,
        await ask('GET', `browser_sessions/${encodeURIComponent(id)}`, signal),
        'a browser session',
      ),
    closeSession: async (id, signal) =>
      void (await ask('POST', `browser_sessions/${encodeURIComponent(id)}/close`, signal)),
    addressOf: (url) => new URL(url, root).href,
    fetchFile: (url, maxBytes, signal) => {
      const target = new URL(url, root);
      // The key is for Skyvern alone: its files may lie with somebody else.
      const own = target.origin === root.origin ? headers : {};
      return fetchFile(target, own, maxBytes, AbortSignal.any([signal, AbortSignal.timeout(FILE_MS)]));
    },
  };
}

async function fetchFile(
  url: URL,
  headers: Record<string, string>,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const response = await fetch(url, { headers: { ...headers, accept: '*/*' }, signal, redirect: 'error' });
  if (!response.ok || !response.body)
    throw new SkyvernError(response.status, `a file was answered with ${response.status}`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw new SkyvernError(413, `a file has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function read<T>(schema: z.ZodType<T>, answer: Json, what: string): T {
  const result = schema.safeParse(answer);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new SkyvernError(
    502,
    `Skyvern’s answer is not ${what}: /${issue?.path.join('/') ?? ''} ${issue?.message ?? ''}`,
  );
}

function unanswered(error: unknown, signal: AbortSignal): Error {
  if (signal.aborted) return signal.reason as Error;
  const cause = (error as { cause?: { code?: string } }).cause?.code;
  const words = `Skyvern did not answer${cause === undefined ? '' : ` (${cause})`}`;
  return new SkyvernError(0, words, undefined, UNHEARD.has(cause ?? ''), { cause: error });
}

const UNHEARD: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

/** An error is told as `detail` (a text, or a list of fields), as `error`, or not at all. What was sent stays out of it. */
function refused(response: Response, text: string): SkyvernError {
  const retryAfter = Number(response.headers.get('retry-after'));
  const words = wordsOf(text);
  const message = `Skyvern answered ${response.status}${words === '' ? '' : `: ${words}`}`;
  return new SkyvernError(
    response.status,
    message.slice(0, 500),
    retryAfter > 0 ? retryAfter * 1000 : undefined,
  );
}

const detailSchema = z.looseObject({
  detail: z
    .union([
      z.string(),
      z.array(z.looseObject({ loc: z.array(z.union([z.string(), z.number()])), msg: z.string() })),
    ])
    .optional(),
  error: z.string().optional(),
});

function wordsOf(text: string): string {
  try {
    const { detail, error } = detailSchema.parse(JSON.parse(text));
    if (Array.isArray(detail)) return detail.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; ');
    return detail ?? error ?? '';
  } catch {
    return '';
  }
}

function parsed(status: number, text: string): Json {
  try {
    return text === '' ? null : (JSON.parse(text) as Json);
  } catch (error) {
    throw new SkyvernError(
      502,
      `Skyvern answered ${status} with something that is no JSON`,
      undefined,
      false,
      {
        cause: error,
      },
    );
  }
}
