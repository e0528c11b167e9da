import jsonata from 'jsonata';
import type { Json } from '#events/shapes.js';
import { fail } from '../failures/failures.js';

/** What an expression sees. `steps.<id>.output` is loaded only for the steps a text mentions. */
export interface Scope {
  readonly inputs: Readonly<Record<string, Json>>;
  readonly mission: Readonly<Record<string, Json>>;
  readonly steps: Readonly<Record<string, { readonly output: Json }>>;
  readonly item?: Json;
  readonly output?: Json;
}

const EXPRESSION = /\{\{([^]*?)\}\}/g;
const WHOLE = /^\s*\{\{((?:(?!\}\})[^])*)\}\}\s*$/;
const compiled = new Map<string, jsonata.Expression>();
const MAX_COMPILED = 1000;

export const hasExpression = (value: unknown): boolean => JSON.stringify(value).includes('{{');

/** The expressions of a value, each without its braces. */
export const expressionsIn = (value: unknown): string[] =>
  stringsIn(value).flatMap((text) => Array.from(text.matchAll(EXPRESSION), (match) => match[1]!));

/**
 * Ids of the steps whose output a value mentions as `steps.<id>` or `` steps.`<id>` ``. Every string counts, also one
 * without braces: a `jsonata` check is an expression as it stands.
 */
export const stepsMentioned = (value: unknown): Set<string> =>
  new Set(
    stringsIn(value).flatMap((text) =>
      Array.from(text.matchAll(/\bsteps\.(?:`([^`]+)`|([A-Za-z0-9_]+))/g), (match) => match[1] ?? match[2]!),
    ),
  );

/** Why an expression cannot be read, or nothing. */
export function syntaxError(expression: string): string | undefined {
  try {
    compile(expression);
    return undefined;
  } catch (error) {
    const { message, position } = error as { message: string; position?: number };
    return position === undefined ? message : `${message} (at character ${position})`;
  }
}

/** A value with its expressions replaced. A string that is one expression becomes what it yields, of any type. */
export async function resolve(value: Json, scope: Scope): Promise<Json> {
  if (typeof value === 'string') return resolveText(value, scope);
  if (Array.isArray(value)) return Promise.all(value.map((part) => resolve(part, scope)));
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(
    async ([key, part]) => [key, await resolve(part, scope)] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

async function resolveText(text: string, scope: Scope): Promise<Json> {
  const [, whole] = WHOLE.exec(text) ?? [];
  if (whole !== undefined) return evaluate(whole, scope);
  const parts = await Promise.all(
    Array.from(text.matchAll(EXPRESSION), async (match) => textOf(await evaluate(match[1]!, scope))),
  );
  return text.replace(EXPRESSION, () => parts.shift() ?? '');
}

const textOf = (value: Json): string =>
  typeof value === 'string' ? value : value === null ? '' : JSON.stringify(value);

/** One JSONata expression over a scope. Nothing found is null. */
export async function evaluate(expression: string, scope: Scope): Promise<Json> {
  try {
    const result: unknown = await compile(expression).evaluate(scope);
    return result === undefined ? null : (JSON.parse(JSON.stringify(result)) as Json);
  } catch (error) {
    throw fail('bad-expression', `expression “${expression.trim()}” failed: ${(error as Error).message}`);
  }
}

function compile(expression: string): jsonata.Expression {
  const known = compiled.get(expression);
  if (known) return known;
  if (compiled.size >= MAX_COMPILED) compiled.clear();
  const fresh = jsonata(expression);
  compiled.set(expression, fresh);
  return fresh;
}

function stringsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (value === null || typeof value !== 'object') return [];
  return Object.values(value).flatMap(stringsIn);
}
