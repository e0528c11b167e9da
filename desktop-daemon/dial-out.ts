import { headers, connect, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import {
  desktopCommandSchema,
  desktopControlCommandSchema,
  DESKTOP_SERVICE,
  PART_BYTES,
  PART_HEADER,
} from '#events/desktop.js';
import {
  desktopEventsSubject,
  desktopSubject,
  DESKTOP_ENDPOINTS,
  type DesktopEndpoint,
} from '#events/subjects.js';
import { VERSION, type Daemon } from './daemon.js';
import { asDeskError, DeskError } from './errors.js';

export interface NatsAddress {
  readonly url: string;
  readonly token: string | undefined;
}

export interface DialOutSettings {
  /** Where NATS is, asked before each call: a server of a home's own may be somewhere else after it was started anew. */
  readonly where: () => Promise<NatsAddress>;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

const RECONNECT_MS = 2_000;
const REDIAL_MS = 5_000;
/** Then it is looked up anew where the server is. */
const MOST_RECONNECTS = 5;
const TAKEN_MS = 1_000;
const cancelSchema = z.strictObject({ id: z.string().min(1).max(100) });

/**
 * Serves a desktop over NATS: the daemon connects to the server, so that no port of its machine need be open. It is a NATS
 * service (ADR-32: answers `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`), found under one name with all other desktops. A
 * server that is not there, or turns the daemon away, is asked again and again.
 */
export function dialOut(
  daemon: Daemon,
  settings: DialOutSettings,
  report: (line: string) => void,
): { close(): Promise<void> } {
  let open: NatsConnection | undefined;
  let closing = false;
  let told = '';
  const tellOnce = (line: string): void => {
    if (line !== told) report(line);
    told = line;
  };

  async function keepDialling(): Promise<void> {
    while (!closing) {
      try {
        const address = await settings.where();
        open = await connectTo(address, settings.name);
        if (await isTaken(open, settings.name)) {
          tellOnce(`another daemon is connected as ${settings.name}: give this one a --name of its own`);
          await open.close();
        } else {
          serveOn(open, daemon, settings);
          tellOnce(`dialled out to ${address.url} as ${settings.name}`);
          await open.closed();
          if (!closing) tellOnce(`${address.url} has hung up`);
        }
      } catch (error) {
        tellOnce(`cannot dial out to NATS: ${(error as Error).message}`);
      }
      if (!closing) await new Promise((resolve) => setTimeout(resolve, REDIAL_MS).unref());
    }
  }

  const stop = daemon.workplace.onControl((control) => {
    if (open && !open.isClosed())
      open.publish(desktopEventsSubject(settings.name), JSON.stringify({ name: settings.name, control }));
  });
  void keepDialling();
  return {
    close: async () => {
      closing = true;
      stop();
      await open?.drain().catch(() => undefined);
    },
  };
}

const connectTo = ({ url, token }: NatsAddress, name: string): Promise<NatsConnection> =>
  connect({
    servers: url,
    ...(token !== undefined && { token }),
    name: `desktop ${name}`,
    maxReconnectAttempts: MOST_RECONNECTS,
    reconnectTimeWait: RECONNECT_MS,
    noAsyncTraces: true,
  });

/** Two of one name would both do what either is asked. */
const isTaken = (connection: NatsConnection, name: string): Promise<boolean> =>
  connection.request(desktopSubject(name, 'info'), '{}', { timeout: TAKEN_MS }).then(
    () => true,
    () => false,
  );

function serveOn(connection: NatsConnection, daemon: Daemon, settings: DialOutSettings): void {
  const stats = new Map(
    DESKTOP_ENDPOINTS.map((endpoint) => [endpoint, { requests: 0, errors: 0, nanos: 0 }]),
  );
  for (const endpoint of DESKTOP_ENDPOINTS) {
    const work = workOf(daemon, endpoint);
    connection.subscribe(desktopSubject(settings.name, endpoint), {
      callback: (_error, message) => void serve(connection, message, stats.get(endpoint)!, work),
    });
  }
  serveDiscovery(connection, settings, stats);
}

interface Stats {
  requests: number;
  errors: number;
  nanos: number;
}
type Work = (body: unknown) => Promise<object>;

function workOf(daemon: Daemon, endpoint: DesktopEndpoint): Work {
  const { workplace } = daemon;
  switch (endpoint) {
    case 'act':
      // What the caller does not want any more it cancels; when it is gone, its lease runs out.
      return (body) => workplace.act(parsed(desktopCommandSchema, body), new AbortController().signal);
    case 'cancel':
      return async (body) => {
        workplace.cancel(parsed(cancelSchema, body).id);
        return Promise.resolve({ ok: true });
      };
    case 'control':
      return (body) => Promise.resolve(workplace.control(parsed(desktopControlCommandSchema, body)));
    case 'info':
      return () => daemon.info();
  }
}

async function serve(connection: NatsConnection, message: Msg, stats: Stats, work: Work): Promise<void> {
  const from = performance.now();
  stats.requests++;
  let answer: object;
  try {
    answer = await work(message.data.length === 0 ? undefined : message.json());
  } catch (error) {
    stats.errors++;
    answer = { ok: false, error: asDeskError(error).body() };
  }
  stats.nanos += Math.round((performance.now() - from) * 1e6);
  try {
    if (message.reply) reply(connection, message.reply, new TextEncoder().encode(JSON.stringify(answer)));
  } catch {
    // The connection has gone meanwhile: whoever asked hears of that by themselves.
  }
}

/** A picture may be larger than a message: it goes in parts, each with its number. */
function reply(connection: NatsConnection, subject: string, bytes: Uint8Array): void {
  const count = Math.max(1, Math.ceil(bytes.length / PART_BYTES));
  for (let part = 0; part < count; part++) {
    const marked = headers();
    marked.set(PART_HEADER, `${part + 1}/${count}`);
    connection.publish(subject, bytes.subarray(part * PART_BYTES, (part + 1) * PART_BYTES), {
      headers: marked,
    });
  }
}

function parsed<S extends z.ZodType>(schema: S, body: unknown): z.infer<S> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw new DeskError(
    'bad-argument',
    `${result.error.issues[0]?.path.join('.') || 'the message'} is not as it should be`,
  );
}

/** ADR-32 of NATS: how services are found, and what they tell of themselves. */
function serveDiscovery(
  connection: NatsConnection,
  { name, labels }: DialOutSettings,
  stats: ReadonlyMap<DesktopEndpoint, Stats>,
): void {
  const identity = {
    name: DESKTOP_SERVICE,
    id: name,
    version: VERSION,
    metadata: { ...labels, desktop: name },
  };
  const started = new Date().toISOString();
  const endpoints = DESKTOP_ENDPOINTS.map((endpoint) => ({
    name: endpoint,
    subject: desktopSubject(name, endpoint),
    queue_group: '',
  }));
  const answers: Readonly<Record<string, () => object>> = {
    PING: () => ({ type: 'io.nats.micro.v1.ping_response', ...identity }),
    INFO: () => ({
      type: 'io.nats.micro.v1.info_response',
      ...identity,
      description: 'a desktop that SkyAgentOS may use',
      endpoints: endpoints.map((endpoint) => ({ ...endpoint, metadata: {} })),
    }),
    STATS: () => ({
      type: 'io.nats.micro.v1.stats_response',
      ...identity,
      started,
      endpoints: endpoints.map((endpoint) => {
        const { requests, errors, nanos } = stats.get(endpoint.name)!;
        return {
          ...endpoint,
          num_requests: requests,
          num_errors: errors,
          last_error: '',
          processing_time: nanos,
          average_processing_time: requests === 0 ? 0 : Math.round(nanos / requests),
        };
      }),
    }),
  };
  for (const [verb, answer] of Object.entries(answers))
    for (const subject of [
      `$SRV.${verb}`,
      `$SRV.${verb}.${DESKTOP_SERVICE}`,
      `$SRV.${verb}.${DESKTOP_SERVICE}.${name}`,
    ])
      connection.subscribe(subject, {
        callback: (_error, message) => {
          if (!connection.isClosed()) message.respond(JSON.stringify(answer()));
        },
      });
}
