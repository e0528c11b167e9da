import type { DesktopErrorBody } from '#events/desktop.js';
import { fail, StepFailedError, type FailureCode } from '../../failures/failures.js';

/** What a daemon's refusal is to a run. */
const CODES: Readonly<Record<string, FailureCode>> = {
  'no-display': 'no-display',
  'no-permission': 'no-display',
  'screen-crashed': 'desktop-lost',
  'screen-locked': 'screen-locked',
  'outside-screen': 'outside-screen',
  'unknown-key': 'unknown-key',
  'key-not-on-keyboard': 'unknown-key',
  'no-such-window': 'no-such-window',
  'window-ambiguous': 'window-ambiguous',
  'app-not-allowed': 'app-not-allowed',
  'folder-not-allowed': 'folder-not-allowed',
  'bad-argument': 'bad-arguments',
  'app-failed': 'app-failed',
  'file-not-found': 'file-not-found',
  'ocr-unavailable': 'ocr-unavailable',
  'not-seen': 'not-seen',
  'no-lease': 'desktop-lost',
  'stale-lease': 'desktop-lost',
};

/** Refusals that end with a person's leave: nothing is wrong, and nothing has failed. */
const OF_PERSON: ReadonlySet<string> = new Set(['person-at-controls', 'stopped']);
/** Refusals that time mends. */
const PASSING: ReadonlySet<string> = new Set([
  'busy',
  'no-display',
  'screen-crashed',
  'screen-locked',
  ...OF_PERSON,
]);

export const isOfPerson = ({ code }: DesktopErrorBody): boolean => OF_PERSON.has(code);
export const isPassing = ({ code }: DesktopErrorBody): boolean => PASSING.has(code);

/** The failure of a step; `where` says which action it was. */
export function failureOf({ code, message, untouched }: DesktopErrorBody, where = ''): StepFailedError {
  const told = fail(CODES[code] ?? 'desktop-failed', `${where}${message}`);
  return new StepFailedError(told.failure, [], untouched);
}
