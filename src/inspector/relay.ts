import { WebSocketServer, type WebSocket } from 'ws';
import type { StoredEvent } from '../log/event-log.js';
import { foldStored, readStored, type RunState } from '../runs/run-state.js';
import { messagesOf, type InspectorMessage } from './wire.js';

export interface Relay {
  readonly url: string;
  /** Folds an event and sends its messages to everybody who is connected. */
  feed(stored: StoredEvent): void;
  close(): Promise<void>;
}

/** How many messages a late viewer is shown. */
const KEPT = 2_000;

/**
 * A WebSocket that viewers of `@statelyai/inspect`'s protocol connect to. It listens on loopback alone and lets in pages
 * only from origins that were named; the library's own relay does neither. What viewers send is ignored.
 */
export async function createRelay(port: number, allowedOrigins: readonly string[]): Promise<Relay> {
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port,
    maxPayload: 64 * 1024,
    verifyClient: ({ origin }: { origin?: string }) =>
      origin === undefined || allowedOrigins.includes(origin),
  });
  await new Promise<void>((resolve, reject) => {
    server.once('listening', resolve);
    server.once('error', reject);
  });
  const kept: string[] = [];
  const runs = new Map<string, RunState>();
  server.on('connection', (viewer: WebSocket) => {
    viewer.on('error', () => viewer.terminate());
    for (const message of kept) viewer.send(message);
  });
  const send = (message: InspectorMessage) => {
    const text = JSON.stringify(message);
    kept.push(text);
    if (kept.length > KEPT) kept.shift();
    for (const viewer of server.clients) viewer.send(text);
  };
  const address = server.address();
  return {
    url: `ws://127.0.0.1:${typeof address === 'object' && address ? address.port : port}`,
    feed: (stored) => {
      const { event, envelope } = readStored(stored);
      const before = runs.get(envelope.subject);
      // A run that began before the relay did is not shown: its state would be a guess.
      if (!before && event.type !== 'run.created') return;
      const state = foldStored(before, stored);
      runs.set(envelope.subject, state);
      for (const message of messagesOf(state, event)) send(message);
      if (state.snapshot.status === 'done') runs.delete(envelope.subject);
    },
    close: () =>
      new Promise((resolve) => {
        for (const viewer of server.clients) viewer.terminate();
        server.close(() => resolve());
      }),
  };
}
