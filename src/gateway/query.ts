import { RUN_STATUSES } from '#machines/run/run.machine.js';
import { refuse } from './problem.js';

const MAX_PAGE = 200;
const STATUSES: ReadonlySet<string> = new Set([...RUN_STATUSES, 'quarantined']);

/** A query parameter is given once or not at all; a list of it would be read as something else. */
export function single(name: string, value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  throw refuse(400, 'bad-query', `${name}: expected one value, not several`);
}

/** `next` of the page before: `<createdAt>~<id>`. */
export function cursorOf(value: unknown): string | undefined {
  const cursor = single('cursor', value);
  if (cursor === undefined || /^[^~]+~[^~]+$/.test(cursor)) return cursor;
  throw refuse(400, 'bad-query', 'cursor: expected `next` of the page before');
}

/** Comma-separated statuses of runs. */
export function statusesOf(value: unknown): string[] | undefined {
  const statuses = single('status', value)?.split(',');
  if (!statuses || statuses.every((status) => STATUSES.has(status))) return statuses;
  throw refuse(400, 'bad-query', `status: expected some of ${[...STATUSES].join(', ')}`);
}

/** A whole number of a query parameter, within bounds. */
export function wholeNumber(
  name: string,
  text: string | undefined,
  preset: number,
  minimum: number,
  maximum: number,
): number {
  if (text === undefined) return preset;
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= minimum && number <= maximum) return number;
  throw refuse(400, 'bad-query', `${name}: expected a whole number from ${minimum} to ${maximum}`);
}

export const pageLimit = (text: string | undefined): number => wholeNumber('limit', text, 50, 1, MAX_PAGE);

/** `If-Match: "r<rev>"`, the ETag of a run. */
export function revOfIfMatch(header: string | undefined): number | undefined {
  if (header === undefined || header === '*') return undefined;
  const [, rev] = /^"r(\d+)"$/.exec(header) ?? [];
  if (rev !== undefined) return Number(rev);
  throw refuse(400, 'bad-if-match', 'If-Match must be the ETag of a run, e.g. "r12"');
}

/** RFC 7240 `Prefer: wait=<seconds>`, in milliseconds. */
export function waitMsOf(header: string | string[] | undefined): number {
  const [, seconds] = /\bwait=(\d{1,3})\b/.exec(String(header ?? '')) ?? [];
  return seconds === undefined ? 0 : Math.min(Number(seconds), 120) * 1000;
}
