import { STATUS_CODES } from 'node:http';
import type { Issue } from '../mission/issues.js';

/** RFC 9457 problem details, with our extensions `code`, `hint`, `errors`, and `state`/`legal` for commands. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly hint?: string;
  readonly errors?: readonly Issue[];
  readonly state?: string;
  readonly legal?: readonly string[];
  /** Who holds the controls, and until when. */
  readonly holder?: { readonly holder: string; readonly expiresAt: string };
}
export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

type Extension = Partial<Pick<Problem, 'hint' | 'errors' | 'state' | 'legal' | 'holder'>>;

/** A request that cannot be served, as the client will read it. */
export class ProblemError extends Error {
  readonly code: string;
  constructor(readonly problem: Problem) {
    super(problem.detail);
    this.name = 'ProblemError';
    this.code = problem.code;
  }
}

export const problem = (
  status: number,
  code: string,
  detail: string,
  extension: Extension = {},
): Problem => ({
  type: `urn:skyagentos:problem:${code}`,
  title: STATUS_CODES[status] ?? 'Error',
  status,
  detail,
  code,
  ...extension,
});

export const refuse = (status: number, code: string, detail: string, extension?: Extension): ProblemError =>
  new ProblemError(problem(status, code, detail, extension));

/** What each known error means to a client: status and what to do. Anything else is our fault. */
const KNOWN: Readonly<Record<string, readonly [number, string]>> = {
  'invalid-mission': [422, 'correct the fields that `errors` points at and send the mission again'],
  'idempotency-key-reused': [422, 'use a new Idempotency-Key for another mission'],
  'run-not-found': [404, 'GET /runs lists the runs there are'],
  'stale-revision': [412, 'GET the run again and use its ETag in If-Match'],
  'log-unavailable': [
    503,
    'the event log does not answer; nothing was changed unless the run shows it; try again',
  ],
  'log-refused': [413, 'make the mission smaller: it does not fit into one event'],
  'log-read-only': [503, 'see /readyz for what is wrong with the log'],
  'log-broken-chain': [409, 'the history of this run was altered; it is kept as it is, for inspection'],
  'illegal-transition': [409, 'the history of this run does not fit its machine; it is kept for inspection'],
  'control-held': [
    409,
    'wait until the controls are handed back or the lease runs out; a person at a desktop gives it back with `skyagent desktops handback <name>`',
  ],
  'wrong-lease': [409, 'take the controls again with POST /runs/:id/takeover'],
  'still-pausing': [409, 'an act cannot be cut off half-way; try again shortly'],
  'no-such-place': [422, 'GET the run: its `steps` and `rev` say what there is'],
  'run-quarantined': [409, 'see `failure` of the run; `skyagent verify --run <id>` says more'],
  'run-unreadable': [409, 'this run was written by a newer SkyAgentOS; use that one'],
  'quota-exceeded': [413, 'send less, or raise SKYAGENT_RUN_MAX_BYTES or SKYAGENT_RUN_MAX_FILES'],
  'path-refused': [400, 'use a relative path inside the run’s folder'],
  'file-not-found': [404, 'GET /runs/:id/files lists the files there are'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [400, 'the Content-Length does not fit the body'],
  FST_ERR_BAD_URL: [400, 'correct the percent-encoding of the URL'],
};

export function problemOf(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  const { code, message, issues, holder } = error as {
    code?: string;
    message?: string;
    issues?: readonly Issue[];
    holder?: { holder: string; expiresAt: string };
  };
  const [status, hint] = KNOWN[code ?? ''] ?? [];
  if (status !== undefined && code !== undefined) {
    return problem(status, code.toLowerCase().replaceAll('_', '-'), message ?? code, {
      hint: hint!,
      ...(issues && { errors: issues }),
      ...(holder && { holder: { holder: holder.holder, expiresAt: holder.expiresAt } }),
    });
  }
  return problemOfHttp((error as { getStatus?: () => number }).getStatus?.(), message);
}

/** What the framework itself refuses: it knows a status and little more. */
function problemOfHttp(http: number | undefined, message: string | undefined): Problem {
  if (http === 404)
    return problem(404, 'not-found', 'there is nothing at this address', { hint: 'see /openapi.json' });
  if (http === 413)
    return problem(413, 'body-too-large', 'the body is too large', {
      hint: 'a request may have 512 KiB; put data into files or pages',
    });
  if (http === 415)
    return problem(415, 'not-json', 'only JSON is read', {
      hint: 'send JSON with Content-Type: application/json',
    });
  if (http !== undefined && http < 500) return problem(http, 'bad-request', message ?? 'bad request');
  return problem(500, 'internal', 'something went wrong in SkyAgentOS', {
    hint: 'the log of the server says more',
  });
}
