import { fail, type FailureCode } from '../../../failures/failures.js';
import { SkyvernError, type SkyvernRun, type SkyvernStatus } from './skyvern.client.js';

const ENDS: Partial<Record<SkyvernStatus, readonly [FailureCode, string]>> = {
  failed: ['skyvern-failed', 'Skyvern could not carry the task out'],
  terminated: ['task-unreachable', 'Skyvern gave the task up'],
  timed_out: ['step-timeout', 'Skyvern ran out of time'],
  canceled: ['task-canceled', 'the task was canceled in Skyvern'],
};

/**
 * The failure of a run that ended otherwise than completed. What Skyvern says of the reason may be words of a page: of it
 * only the codes are told that the step itself gave.
 */
export function failureOf(run: SkyvernRun, codes: readonly string[]): Error {
  const [code, words] = ENDS[run.status] ?? (['skyvern-failed', `Skyvern says ${run.status}`] as const);
  const told = codesOf(run).filter((each) => codes.includes(each));
  const which = told.length > 0 ? ` (${told.join(', ')})` : '';
  const steps = run.step_count ? ` after ${run.step_count} steps` : '';
  return fail(code, `${words}${which}${steps}; run ${run.run_id}`);
}

/** Where Skyvern names the code of `error_code_mapping` that applied: in `errors`, or in `output.error`. */
function codesOf({ errors, output }: SkyvernRun): string[] {
  const listed = (errors ?? []).map((error) => error.error_code ?? error.code);
  const own =
    output !== null && typeof output === 'object' && !Array.isArray(output)
      ? [output.error, output.error_code]
      : [];
  return [...new Set([...listed, ...own].filter((code): code is string => typeof code === 'string'))];
}

/** An error of the API as a failure of the step. */
export function apiFailure(error: SkyvernError): Error {
  const { status, message } = error;
  if (status === 401 || status === 403) return fail('skyvern-refused', message);
  if (status === 400 || status === 422) return fail('bad-arguments', message);
  return fail('skyvern-unavailable', message);
}

/** Whether the same question may be asked again in a while. */
export const isPassing = ({ status }: SkyvernError): boolean =>
  status === 0 || status === 408 || status === 425 || status === 429 || status >= 500;
