import type { Json } from '#events/shapes.js';

/** Fields whose text somebody typed. */
const TYPED: ReadonlySet<string> = new Set(['text', 'value', 'password']);

/** Typed text by its length alone: it may be a password. */
export function redacted(value: Json, key = ''): Json {
  if (typeof value === 'string') return isTyped(value, key) ? { length: value.length } : value;
  if (Array.isArray(value)) return value.map((each) => redacted(each, key));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, redacted(each, name)]));
}

/** A single letter that is pressed as a key is typed text too; `Enter` and `Control+A` are not. */
const isTyped = (value: string, key: string): boolean =>
  TYPED.has(key) || ((key === 'key' || key === 'keys') && /^(Shift\+)?.$/su.test(value));
