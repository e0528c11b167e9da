import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';

/** A page: its HTML, or what answers the request. */
export type Page = string | ((request: IncomingMessage, response: ServerResponse) => void);

/** A small web site on a free loopback port. */
export interface Site {
  readonly url: string;
  /** Paths asked for, in order. */
  readonly hits: readonly string[];
  close(): Promise<void>;
}

export async function startSite(pages: Readonly<Record<string, Page>>): Promise<Site> {
  const hits: string[] = [];
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0]!;
    hits.push(path);
    const page = Object.hasOwn(pages, path) ? pages[path]! : status(404);
    if (typeof page === 'function') page(request, response);
    else html(response, page);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    hits,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function html(response: ServerResponse, body: string): void {
  response.setHeader('content-type', 'text/html; charset=utf-8').end(body);
}

export const status =
  (code: number): Page =>
  (_, response) =>
    response.writeHead(code, { 'content-type': 'text/html' }).end(`<h1>${code}</h1>`);

export const redirect =
  (to: string): Page =>
  (_, response) =>
    response.writeHead(302, { location: to }).end();

/** A page that takes its time. */
export const slow =
  (ms: number, body: string): Page =>
  (_, response) =>
    void setTimeout(() => html(response, body), ms);

/** A page that does not answer before it is released; then all who wait get it, and all who come later. */
export function held(body: string): { page: Page; release(): void } {
  const gate = Promise.withResolvers<void>();
  return {
    page: (_, response) => void gate.promise.then(() => html(response, body)),
    release: () => gate.resolve(),
  };
}

/** The pages of a folder of HTML files. */
export async function pagesOf(folder: string, names: readonly string[]): Promise<Record<string, Page>> {
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return Object.fromEntries(names.map((name, index) => [`/${name}`, texts[index]!]));
}
