import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';

/** One act, as the world saw it. */
export interface Seen {
  readonly key: string;
  /** The process that acted. */
  readonly pid: number;
  /** When the actor, having been told that it may act, did so. */
  readonly sentAt: number;
  readonly receivedAt: number;
}

export interface Witness {
  readonly url: string;
  readonly seen: readonly Seen[];
  close(): Promise<void>;
}

/**
 * Counts acts. It notes an act at once and answers `holdMs` later: in between the act has happened and its actor does
 * not know.
 */
export async function startWitness(holdMs: number): Promise<Witness> {
  const seen: Seen[] = [];
  const countOf = (key: string | null) => seen.filter((each) => each.key === key).length;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'GET') {
      const { searchParams } = new URL(request.url!, 'http://witness');
      return void response.end(JSON.stringify({ count: countOf(searchParams.get('key')) }));
    }
    const act = JSON.parse(await text(request)) as Omit<Seen, 'receivedAt'>;
    seen.push({ ...act, receivedAt: Date.now() });
    setTimeout(() => response.end('{}'), holdMs);
  }

  const server = createServer((request, response) => {
    // An actor that is killed while it speaks has not acted.
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
