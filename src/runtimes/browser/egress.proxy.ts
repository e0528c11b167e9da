import { randomBytes } from 'node:crypto';
import {
  createServer,
  request,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { reach, type EgressRules, type Resolve } from './egress.js';

/** Marks an answer that is the proxy's own: only with the proxy's word in it, which no site knows. */
export const EGRESS_HEADER = 'x-skyagent-egress';

export interface EgressProxy {
  readonly url: string;
  /** What the proxy itself says in the headers of an answer: why it made no connection; nothing, when a site answered. */
  saidIn(headers: Readonly<Record<string, string>>): string | undefined;
  /** Why the last connection to a host was not made: `blocked: …`, or Chromium's name of a network error. */
  problemOf(host: string): string | undefined;
  /** Bytes that came in so far. */
  received(): number;
  close(): Promise<void>;
}

const NETWORK_ERRORS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'ERR_CONNECTION_REFUSED',
  ECONNRESET: 'ERR_CONNECTION_RESET',
  EPIPE: 'ERR_CONNECTION_CLOSED',
  ENOTFOUND: 'ERR_NAME_NOT_RESOLVED',
  EAI_AGAIN: 'ERR_NAME_NOT_RESOLVED',
  ETIMEDOUT: 'ERR_CONNECTION_TIMED_OUT',
  EHOSTUNREACH: 'ERR_ADDRESS_UNREACHABLE',
  ENETUNREACH: 'ERR_ADDRESS_UNREACHABLE',
};
const nameOf = (error: unknown): string =>
  NETWORK_ERRORS[(error as NodeJS.ErrnoException).code ?? ''] ?? 'ERR_CONNECTION_FAILED';

/**
 * The only way out of a run's browser: pages, frames, redirects, workers and sockets alike. Every connection is judged
 * here, and made to the very address that was judged: a name cannot mean another address a moment later.
 */
export async function createEgressProxy(rules: EgressRules, resolve?: Resolve): Promise<EgressProxy> {
  const word = randomBytes(16).toString('hex');
  const problems = new Map<string, string>();
  let received = 0;
  const sockets = new Set<Duplex>();
  const keep = <S extends Duplex>(socket: S): S => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy()).once('close', () => sockets.delete(socket));
    return socket;
  };

  async function forward(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const url = URL.parse(incoming.url ?? '');
    const refuse = (status: number, why: string) => {
      if (url) problems.set(url.host, why);
      if (outgoing.headersSent) return void outgoing.destroy();
      outgoing.writeHead(status, { [EGRESS_HEADER]: `${word} ${encodeURIComponent(why)}` }).end();
    };
    if (!url) return refuse(400, 'ERR_INVALID_URL');
    try {
      const place = await reach(url, rules, resolve);
      if ('blocked' in place) return refuse(403, `blocked: ${place.blocked}`);
      const upstream = request(
        {
          host: place.address,
          port: url.port || 80,
          method: incoming.method,
          path: url.pathname + url.search,
          headers: endToEnd(incoming.headers),
          setHost: false,
          agent: false,
        },
        (answer) => {
          outgoing.writeHead(answer.statusCode!, answer.statusMessage, endToEnd(answer.headers));
          answer.on('data', (chunk: Buffer) => (received += chunk.length));
          answer.on('error', () => outgoing.destroy()).pipe(outgoing);
        },
      );
      upstream.on('socket', keep).on('error', (error) => refuse(502, nameOf(error)));
      outgoing.on('close', () => upstream.destroy());
      incoming.pipe(upstream);
    } catch (error) {
      refuse(502, nameOf(error));
    }
  }

  async function tunnel(asked: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    const url = URL.parse(`https://${asked.url ?? ''}`);
    const refuse = (status: string, why: string) => {
      if (url) problems.set(url.host, why);
      client.end(`HTTP/1.1 ${status}\r\n\r\n`);
    };
    if (!url) return refuse('400 Bad Request', 'ERR_INVALID_URL');
    try {
      const place = await reach(url, rules, resolve);
      if ('blocked' in place) return refuse('403 Forbidden', `blocked: ${place.blocked}`);
      const upstream = keep(connect(Number(url.port || 443), place.address));
      const failed = (error: Error) => refuse('502 Bad Gateway', nameOf(error));
      upstream.once('error', failed).once('connect', () => {
        upstream.off('error', failed);
        client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
        upstream.write(head);
        upstream.on('data', (chunk: Buffer) => (received += chunk.length));
        upstream.pipe(client).pipe(upstream);
      });
      client.once('close', () => upstream.destroy());
    } catch (error) {
      refuse('502 Bad Gateway', nameOf(error));
    }
  }

  const server = createServer((incoming, outgoing) => void forward(incoming, outgoing));
  server.on('connection', keep);
  server.on('connect', (asked, client, head) => void tunnel(asked, client, head));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    saidIn: (headers) => {
      const said = headers[EGRESS_HEADER];
      return said?.startsWith(`${word} `) ? decodeURIComponent(said.slice(word.length + 1)) : undefined;
    },
    problemOf: (host) => problems.get(host),
    received: () => received,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** RFC 9110 7.6.1: what belongs to one connection is not handed on. */
function endToEnd(headers: IncomingMessage['headers']): OutgoingHttpHeaders {
  const named = (headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase());
  const drop = new Set([...HOP_BY_HOP, ...named, EGRESS_HEADER]);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !drop.has(name)));
}
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];
