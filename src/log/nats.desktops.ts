import { createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { desktopNameSchema, DESKTOP_SERVICE, PART_HEADER } from '#events/desktop.js';
import { DESKTOP_EVENTS, desktopSubject } from '#events/subjects.js';
import { DesktopSilentError, type Desktops, type FoundDesktop } from './desktops.js';

/** How long desktops may take to say that they are there. */
const FIND_MS = 400;
const NO_RESPONDERS = 503;

/** Desktops as NATS services (ADR-32): found by a ping that all of them answer, asked by their own subjects. */
export function createNatsDesktops(connection: NatsConnection): Desktops {
  return {
    find: () => find(connection),
    ask: async (name, endpoint, body, { timeoutMs, signal }) => {
      const bytes = await ask(connection, {
        name,
        subject: desktopSubject(name, endpoint),
        body,
        timeoutMs,
        signal,
      });
      return JSON.parse(new TextDecoder().decode(bytes)) as unknown;
    },
    onEvent: (heard) => {
      const subscription = connection.subscribe(DESKTOP_EVENTS, {
        callback: (_error, message) => {
          const body = bodyOf(message);
          if (body !== undefined) heard(body);
        },
      });
      return () => subscription.unsubscribe();
    },
  };
}

async function find(connection: NatsConnection): Promise<FoundDesktop[]> {
  const found = new Map<string, FoundDesktop>();
  const inbox = createInbox();
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, FIND_MS);
    const subscription = connection.subscribe(inbox, {
      callback: (_error, message) => {
        if (isNobody(message)) {
          clearTimeout(timer);
          return resolve();
        }
        const desktop = desktopOf(bodyOf(message));
        if (desktop) found.set(desktop.name, desktop);
      },
    });
    setTimeout(() => subscription.unsubscribe(), FIND_MS).unref();
    connection.publish(`$SRV.PING.${DESKTOP_SERVICE}`, '', { reply: inbox });
  });
  return [...found.values()].sort((left, right) => (left.name < right.name ? -1 : 1));
}

function desktopOf(body: unknown): FoundDesktop | undefined {
  const { metadata } = (body ?? {}) as { metadata?: Record<string, string> };
  const { desktop, ...labels } = metadata ?? {};
  const name = desktopNameSchema.safeParse(desktop);
  return name.success ? { name: name.data, labels } : undefined;
}

interface Question {
  readonly name: string;
  readonly subject: string;
  readonly body: object;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** The answer of a desktop, put together of its parts. */
async function ask(connection: NatsConnection, question: Question): Promise<Uint8Array> {
  const { name, subject, body, timeoutMs, signal } = question;
  signal?.throwIfAborted();
  const inbox = createInbox();
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const parts: Uint8Array[] = [];
  const subscription = connection.subscribe(inbox, {
    callback: (_error, message) => {
      if (isNobody(message)) return reject(new DesktopSilentError(name, false));
      parts.push(message.data);
      const [number = 1, count = 1] = (message.headers?.get(PART_HEADER) ?? '1/1').split('/').map(Number);
      // Parts come one after the other on one connection: a gap means that one was lost.
      if (number !== parts.length) return reject(new DesktopSilentError(name, true));
      if (number === count) resolve(Buffer.concat(parts));
    },
  });
  const timer = setTimeout(() => reject(new DesktopSilentError(name, true)), timeoutMs);
  const stop = () => reject(signal!.reason);
  signal?.addEventListener('abort', stop, { once: true });
  try {
    connection.publish(subject, JSON.stringify(body), { reply: inbox });
    return await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
    subscription.unsubscribe();
  }
}

/** NATS's own answer when nobody is there. */
const isNobody = (message: Msg): boolean =>
  message.data.length === 0 && message.headers?.code === NO_RESPONDERS;

function bodyOf(message: Msg): unknown {
  try {
    return message.json();
  } catch {
    return undefined;
  }
}
