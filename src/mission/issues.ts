import type { z } from 'zod';

/** One thing that is wrong with a document: where (RFC 6901 JSON pointer) and what was expected. */
export interface Issue {
  readonly pointer: string;
  readonly message: string;
}

type ZodIssue = z.core.$ZodIssue;

/** The issues of a failed parse; of a union, those of the branch that was most likely meant. */
export const bestIssues = (issues: readonly ZodIssue[], path: readonly PropertyKey[] = []): Issue[] =>
  issues.flatMap((issue) => {
    const at = [...path, ...issue.path];
    if (issue.code === 'invalid_union') return unionIssues(issue, at);
    return [{ pointer: pointerOf(at), message: wordsOf(issue) }];
  });

export const pointerOf = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${String(part).replace(/~/g, '~0').replace(/\//g, '~1')}`).join('');

function unionIssues(
  issue: Extract<ZodIssue, { code: 'invalid_union' }>,
  at: readonly PropertyKey[],
): Issue[] {
  const branches = issue.errors ?? [];
  const meant = branches.find((branch) =>
    branch.every((inner) => inner.path.length > 0 && !isMissing(inner)),
  );
  if (meant && meant.length > 0) return bestIssues(meant, at);
  const names = [
    ...new Set(branches.flatMap((branch) => branch.filter(isMissing).map((inner) => String(inner.path[0])))),
  ];
  const options = (issue as { options?: readonly unknown[] }).options;
  if (options) return [{ pointer: pointerOf(at), message: `expected one of ${options.join(', ')}` }];
  if (names.length > 0)
    return [{ pointer: pointerOf(at), message: `expected an object with one key of ${names.join(', ')}` }];
  return [{ pointer: pointerOf(at), message: branches.flat().map(wordsOf).join(', or ') || issue.message }];
}

/** A branch that only misses its own key is another branch's document. */
const isMissing = (issue: ZodIssue): boolean =>
  issue.code === 'invalid_type' && issue.path.length === 1 && /undefined/.test(issue.message);

function wordsOf(issue: ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return `no such field: ${issue.keys.join(', ')}`;
  return issue.message.replace(/^Invalid input: /, '');
}
