import { createInbox, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { CLOUDEVENTS_CONTENT_TYPE } from '#events/envelope.js';
import { LogUnavailableError } from './event-log.js';

interface PubAck {
  readonly seq?: number;
  readonly error?: { readonly err_code: number; readonly description: string };
}

interface InFlight {
  readonly resolve: (ack: PubAck) => void;
  readonly reject: (error: Error) => void;
  readonly expiresAt: number;
}

export interface Publisher {
  /** Publishes with the expectation that the newest message of `guardSubject` has sequence `afterSeq`. */
  publish(subject: string, guardSubject: string, afterSeq: number, body: Uint8Array): Promise<PubAck>;
  close(): void;
}

/**
 * A publisher with one inbox of its own for all acknowledgements. The client's `js.publish` sets up a request for each
 * call, which costs more than the server's work; this one reaches about twice the rate.
 */
export function createPublisher(
  connection: NatsConnection,
  timeoutMs: number,
  checkConflicts: boolean,
): Publisher {
  const inbox = createInbox();
  const inFlight = new Map<string, InFlight>();
  let counter = 0;

  const subscription = connection.subscribe(`${inbox}.*`, {
    callback: (error, message) => {
      const token = message.subject.slice(inbox.length + 1);
      const waiting = inFlight.get(token);
      inFlight.delete(token);
      if (error) waiting?.reject(new LogUnavailableError('the log did not answer', { cause: error }));
      else if (message.headers?.code === 503)
        waiting?.reject(new LogUnavailableError('no stream takes this subject'));
      else waiting?.resolve(message.json<PubAck>());
    },
  });
  const sweep = setInterval(() => {
    const now = Date.now();
    for (const [token, waiting] of inFlight) {
      if (waiting.expiresAt > now) break;
      inFlight.delete(token);
      waiting.reject(new LogUnavailableError(`the log did not acknowledge an append within ${timeoutMs} ms`));
    }
  }, 100);
  sweep.unref();

  // What a lost connection took with it is not answered for, nor is what was published while there was none: once there
  // is one again, it is sent again at once, not after a time-out.
  void eachReconnection(connection, () => {
    for (const [token, waiting] of inFlight) {
      inFlight.delete(token);
      waiting.reject(new LogUnavailableError('the connection to the log was lost'));
    }
  });

  /** What is published in one turn of the event loop goes out in one write to the socket. */
  let outgoing: (() => void)[] = [];
  function enqueue(send: () => void): void {
    if (outgoing.push(send) > 1) return;
    setImmediate(() => {
      const sends = outgoing;
      outgoing = [];
      for (const each of sends) each();
    });
  }

  return {
    publish: (subject, guardSubject, afterSeq, body) =>
      new Promise((resolve, reject) => {
        const token = (counter++).toString(36);
        const head = headersOf(checkConflicts ? expectation(guardSubject, afterSeq) : '');
        inFlight.set(token, { resolve, reject, expiresAt: Date.now() + timeoutMs });
        enqueue(() => {
          try {
            connection.publish(subject, body, { reply: `${inbox}.${token}`, headers: head });
          } catch (error) {
            inFlight.delete(token);
            reject(error instanceof Error ? error : new Error(String(error)));
          }
        });
      }),
    close: () => {
      clearInterval(sweep);
      subscription.unsubscribe();
      for (const waiting of inFlight.values()) waiting.reject(new LogUnavailableError('the log was closed'));
      inFlight.clear();
    },
  };
}

/** Ends when the connection is closed. */
async function eachReconnection(connection: NatsConnection, work: () => void): Promise<void> {
  for await (const { type } of connection.status()) if (type === 'reconnect') work();
}

const encoder = new TextEncoder();

/**
 * The headers of an append, written out: of its header objects the client asks nothing but the bytes, and building and
 * checking one for every append is dear.
 */
function headersOf(more: string): MsgHdrs {
  const bytes = encoder.encode(`NATS/1.0\r\nContent-Type: ${CLOUDEVENTS_CONTENT_TYPE}\r\n${more}\r\n`);
  return { encode: () => bytes } as unknown as MsgHdrs;
}

const expectation = (guardSubject: string, afterSeq: number): string =>
  `Nats-Expected-Last-Subject-Sequence: ${afterSeq}\r\n` +
  `Nats-Expected-Last-Subject-Sequence-Subject: ${guardSubject}\r\n`;
