import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Config } from '../config.js';
import { sha256 } from '../log/hash-chain.js';
import { refuse } from './problem.js';

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '::1']);
/** Who answers without a key: those that tell nothing, and the one that asks for Skyvern's signature instead. */
const OPEN_PATHS: ReadonlySet<string> = new Set(['/livez', '/readyz', '/hooks/skyvern']);
export const MAX_BODY_BYTES = 512 * 1024;

export const isLoopback = (host: string): boolean => LOOPBACK.has(host);

type GuardSettings = Pick<Config, 'SKYAGENT_HOST' | 'SKYAGENT_API_KEYS' | 'SKYAGENT_ALLOWED_ORIGINS'>;

/**
 * Who may ask at all. A web page may not (Origin), also not through a name of its own for this machine (Host, against DNS
 * rebinding); with API keys configured, only their holders may. Only JSON is read.
 */
export function guardRequests(server: FastifyInstance, config: GuardSettings): void {
  server.addHook('onRequest', (request, _reply, done) => {
    done(
      wrongHost(request, config) ??
        wrongOrigin(request, config) ??
        wrongKey(request, config.SKYAGENT_API_KEYS),
    );
  });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser(
    'application/json',
    { parseAs: 'string', bodyLimit: MAX_BODY_BYTES },
    (_request, body, done) => {
      try {
        done(null, body === '' ? undefined : readJson(body as string));
      } catch (error) {
        done(error as Error);
      }
    },
  );
}

/** The JSON of a body, as far as the log can keep it: RFC 8785 has no form for half a surrogate pair. */
export function readJson(text: string): unknown {
  const value = parsed(text);
  if (nestsDeeper(value, MAX_DEPTH)) {
    throw refuse(400, 'body-too-deep', `the body nests deeper than ${MAX_DEPTH} levels`, {
      hint: 'send flatter data, or put it into a file',
    });
  }
  if (SURROGATE_ESCAPE.test(text) && LONE_SURROGATE.test(JSON.stringify(value))) {
    throw refuse(400, 'not-json', 'the body holds half of a surrogate pair, which is no Unicode text', {
      hint: 'send well-formed Unicode',
    });
  }
  return value;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw refuse(400, 'not-json', `the body is not JSON: ${(error as Error).message}`, {
      hint: 'send one JSON object',
    });
  }
}

const MAX_DEPTH = 64;
const SURROGATE_ESCAPE = /\\u[dD][89a-fA-F]/;
/** `JSON.stringify` escapes a surrogate only when it stands alone. */
const LONE_SURROGATE = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;

function nestsDeeper(value: unknown, most: number): boolean {
  if (value === null || typeof value !== 'object') return false;
  return most === 0 || Object.values(value).some((part) => nestsDeeper(part, most - 1));
}

function wrongHost({ headers }: FastifyRequest, config: GuardSettings): Error | undefined {
  const host = hostnameOf(headers.host ?? '');
  if (LOOPBACK.has(host) || host === config.SKYAGENT_HOST) return undefined;
  if (!LOOPBACK.has(config.SKYAGENT_HOST)) return undefined;
  return refuse(
    403,
    'host-not-allowed',
    `the Host header ${JSON.stringify(headers.host ?? '')} is not this server's`,
    {
      hint: 'use 127.0.0.1 or localhost',
    },
  );
}

function wrongOrigin({ headers }: FastifyRequest, config: GuardSettings): Error | undefined {
  const { origin, host } = headers;
  if (origin === undefined || config.SKYAGENT_ALLOWED_ORIGINS.includes(origin)) return undefined;
  if (URL.parse(origin)?.host === host) return undefined;
  return refuse(403, 'origin-not-allowed', `pages of ${JSON.stringify(origin)} may not call this server`, {
    hint: 'name the origin in SKYAGENT_ALLOWED_ORIGINS if it may',
  });
}

function wrongKey(request: FastifyRequest, keys: readonly string[]): Error | undefined {
  const { headers, url } = request;
  if (
    keys.length === 0 ||
    OPEN_PATHS.has(url) ||
    asksForTicket(request) ||
    keyOf(headers.authorization, keys)
  )
    return undefined;
  return refuse(401, 'no-valid-key', 'this server needs an API key', {
    hint: 'send Authorization: Bearer <key>',
  });
}

/** A page that opens a WebSocket can send no header: the live view asks for a ticket instead. */
const asksForTicket = ({ method, url }: FastifyRequest): boolean =>
  method === 'GET' && /^\/runs\/[^/?]+\/live(\/socket)?(\?|$)/.test(url);

function keyOf(authorization: string | undefined, keys: readonly string[]): string | undefined {
  const [, given] = /^Bearer\s+(.+)$/i.exec(authorization ?? '') ?? [];
  if (given === undefined) return undefined;
  const digest = createHash('sha256').update(given).digest();
  return keys.find((key) => timingSafeEqual(digest, createHash('sha256').update(key).digest()));
}

/** Who acts, for the log: `operator:<first 8 of the SHA-256 of the key>`, or `operator:local` on a server without keys. */
export function actorOf({ headers }: FastifyRequest, keys: readonly string[]): string {
  const key = keyOf(headers.authorization, keys);
  return `operator:${key === undefined ? 'local' : sha256(key).slice(0, 8)}`;
}

const hostnameOf = (host: string): string =>
  (URL.parse(`http://${host}`)?.hostname ?? '').replace(/^\[|\]$/g, '');
