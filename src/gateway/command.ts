import type { z } from 'zod';
import type { Refusal } from '#machines/run/run.decide.js';
import { bestIssues } from '../mission/issues.js';
import { refuse, type ProblemError } from './problem.js';

/** The body of a command, or 422 with all that is wrong with it. No body is an empty one. */
export function parsedBody<S extends z.ZodType>(schema: S, body: unknown, name: string): z.infer<S> {
  const parsed = schema.safeParse(body ?? {});
  if (parsed.success) return parsed.data;
  throw refuse(422, 'invalid-command', `the body of ${name} is not valid`, {
    errors: bestIssues(parsed.error.issues),
  });
}

/** 409 with the state of the run and what is legal in it. */
export const refuseCommand = ({ refused, message, state, legal }: Refusal): ProblemError =>
  refuse(409, refused, message, {
    state,
    legal,
    hint: 'GET the run; `commands` lists what is legal now',
  });
