import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { text as readAll } from 'node:stream/consumers';

/** What a server answered. `body` is the JSON of it, `text` where it is not JSON. */
export interface Answer<T = Record<string, unknown>> {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: T;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  /** Sent as it is. */
  readonly body?: string;
}

/**
 * One request over a connection of its own, closed after it. The path is sent as it is written, and every header may be
 * set: `fetch` would correct both.
 */
export async function ask<T>(
  url: string,
  path: string,
  { method = 'GET', headers = {}, body }: Ask = {},
): Promise<Answer<T>> {
  const response = await open(url, path, { method, headers, ...(body !== undefined && { body }) });
  const text = await readAll(response);
  const isJson = /json/.test(response.headers['content-type'] ?? '');
  return {
    status: response.statusCode!,
    headers: response.headers,
    text,
    body: (isJson && text !== '' ? JSON.parse(text) : text) as T,
  };
}

/** The response as soon as its head is there. */
export function open(
  url: string,
  path: string,
  { method = 'GET', headers = {}, body }: Ask = {},
): Promise<IncomingMessage> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const outgoing = request(
      { hostname, port, path, method, agent: false, headers: { ...length, ...headers } },
      resolve,
    );
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

/** A server-sent event. */
export interface SentEvent {
  readonly id: string;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

/** The server-sent events of a response until it ends, or until `enough` of them are there. */
export async function sentEvents(response: IncomingMessage, enough = Infinity): Promise<SentEvent[]> {
  const events: SentEvent[] = [];
  let buffered = '';
  for await (const chunk of response.setEncoding('utf8')) {
    buffered += chunk as string;
    const blocks = buffered.split('\n\n');
    buffered = blocks.pop()!;
    events.push(...blocks.filter((block) => block.startsWith('id: ')).map(sentEvent));
    if (events.length >= enough) break;
  }
  response.destroy();
  return events;
}

function sentEvent(block: string): SentEvent {
  const fields = Object.fromEntries(
    block.split('\n').map((line) => line.split(/: (.*)/s, 2) as [string, string]),
  );
  return { id: fields.id!, event: fields.event!, data: JSON.parse(fields.data!) as Record<string, unknown> };
}
