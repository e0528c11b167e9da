import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Check } from '#events/plan.js';
import type { Evidence, Json } from '#events/shapes.js';
import type { RunFiles } from '../agentfs/agentfs.js';
import { evaluate, resolve, type Scope } from '../effects/resolve.js';
import { sha256 } from '../log/hash-chain.js';
import { isPageCheck, pageFinding, type PageCheck } from './page-checks.js';
import { checkQuotes } from './quotes.js';

export type CheckEvidence = Extract<Evidence, { kind: 'check' }>;

export interface CheckContext {
  readonly files: RunFiles;
  readonly scope: Scope;
}

/** What one check found: nothing wrong, or what is. */
type Finding = string | undefined;

/** Makes every check, also after one has failed, so that a person sees all that is wrong at once. */
export const runChecks = (checks: readonly Check[], context: CheckContext): Promise<CheckEvidence[]> =>
  Promise.all(checks.map((check) => runCheck(check, context)));

async function runCheck(check: Check, context: CheckContext): Promise<CheckEvidence> {
  const kind = Object.keys(check).find((key) => key !== 'message')!;
  const name = check.message ?? kind;
  const wrong = await finding(check, context).catch((error: unknown) => (error as Error).message);
  return {
    kind: 'check',
    check: name,
    passed: wrong === undefined,
    ...(wrong !== undefined && { detail: wrong.slice(0, 1000) }),
  };
}

async function finding(check: Check, context: CheckContext): Promise<Finding> {
  if ('jsonata' in check) return isTrue(check.jsonata, context.scope);
  if ('file' in check) return fileIsThere(check.file, context);
  if ('schema' in check) return fitsSchema(check.schema, context.scope.output ?? null);
  if ('text' in check) return holdsText(check.text, context.scope.output ?? null);
  if ('status' in check) return hasStatus(check.status, context.scope.output ?? null);
  if (isPageCheck(check)) {
    const resolved = (await resolve(check as Json, context.scope)) as PageCheck;
    return pageFinding(resolved, context.scope.output ?? null, check);
  }
  return checkQuotes(await resolve(check.quotes, context.scope), context.files);
}

async function isTrue(expression: string, scope: Scope): Promise<Finding> {
  const value = await evaluate(expression, scope);
  return value === true ? undefined : `“${expression}” is ${kindOf(value)}, not true`;
}

/** A value as the log may hold it: what an expression yields may be words of a page. */
function kindOf(value: Json): string {
  if (typeof value === 'string') return 'a text';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

async function fileIsThere(
  expected: { path: string; digest?: string | undefined; minBytes?: number | undefined },
  { files, scope }: CheckContext,
): Promise<Finding> {
  const path = String(await resolve(expected.path, scope));
  if (!(await files.exists(path))) return `there is no file ${path}`;
  const bytes = await files.read(path);
  const digest = sha256(bytes);
  if (bytes.byteLength < (expected.minBytes ?? 0))
    return `${path} has ${bytes.byteLength} bytes, not ${expected.minBytes}`;
  const wanted = expected.digest && String(await resolve(expected.digest, scope));
  return wanted && wanted !== digest ? `${path} has SHA-256 ${digest}, not ${wanted}` : undefined;
}

function fitsSchema(schema: Record<string, Json>, output: Json): Finding {
  const ajv = new Ajv2020({ allErrors: true, strict: false });
  if (ajv.validate(schema, output)) return undefined;
  return `the output does not fit the schema: ${ajv.errorsText(ajv.errors, { dataVar: 'output' })}`;
}

const holdsText = (text: string, output: Json): Finding =>
  JSON.stringify(output).includes(JSON.stringify(text).slice(1, -1))
    ? undefined
    : `the output does not hold “${text}”`;

function hasStatus(status: number, output: Json): Finding {
  const seen =
    output !== null && typeof output === 'object' && !Array.isArray(output) ? output.status : undefined;
  return seen === status
    ? undefined
    : `HTTP status ${JSON.stringify(seen) ?? 'none'} was seen, not ${status}`;
}
