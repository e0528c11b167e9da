import type { Problem } from '../gateway/problem.js';

/**
 * The HTTP API, as the MCP server uses it: in the same process or over the network. What a mission may be, which commands
 * are legal and what is told of an error is decided there, once, for people and agents alike.
 */
export interface Api {
  readonly get: <T>(path: string, headers?: Readonly<Record<string, string>>) => Promise<T>;
  readonly post: <T>(path: string, body: object, headers?: Readonly<Record<string, string>>) => Promise<T>;
  /** A file of a run: its bytes and their media type. */
  readonly file: (path: string) => Promise<{ bytes: Uint8Array; mediaType: string }>;
}

export interface ApiAnswer {
  readonly status: number;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

export interface ApiRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** The API refused a request, and said why. */
export class ApiError extends Error {
  readonly code: string;
  constructor(readonly problem: Problem) {
    super(inWords(problem));
    this.name = 'ApiError';
    this.code = problem.code;
  }
}

/** All that helps to do it right the next time. */
function inWords({ code, detail, hint, errors, legal }: Problem): string {
  return [
    `${code}: ${detail}`,
    ...(errors ?? []).map(({ pointer, message }) => `  ${pointer || '(the whole)'}: ${message}`),
    ...(legal ? [`  legal now: ${legal.join(', ') || 'nothing'}`] : []),
    ...(hint ? [`→ ${hint}`] : []),
  ].join('\n');
}

/** The API over whatever carries a request; `authorization` is that of who asks. */
export function createApi(send: (request: ApiRequest) => Promise<ApiAnswer>, authorization?: string): Api {
  const common = { host: 'localhost', ...(authorization !== undefined && { authorization }) };
  async function ask(request: ApiRequest): Promise<ApiAnswer> {
    const answer = await send({ ...request, headers: { ...common, ...request.headers } });
    if (answer.status < 400) return answer;
    throw new ApiError(JSON.parse(textOf(answer)) as Problem);
  }
  const json = { 'content-type': 'application/json' };
  return {
    get: async <T>(path: string, headers = {}) =>
      JSON.parse(textOf(await ask({ method: 'GET', path, headers }))) as T,
    post: async <T>(path: string, body: object, headers = {}) =>
      JSON.parse(
        textOf(
          await ask({ method: 'POST', path, headers: { ...json, ...headers }, body: JSON.stringify(body) }),
        ),
      ) as T,
    file: async (path) => {
      const { bytes, mediaType } = await ask({ method: 'GET', path, headers: {} });
      return { bytes, mediaType };
    },
  };
}

const textOf = ({ bytes }: ApiAnswer): string => new TextDecoder().decode(bytes);

/** A part of a path that may hold anything. */
export const part = (text: string): string => encodeURIComponent(text);
