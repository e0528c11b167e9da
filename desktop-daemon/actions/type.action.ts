import { DeskError } from '../errors.js';
import type { Act } from './act.js';

/** Writes a text where the focus is, exactly. */
export const type: Act<'type'> = async (desk, { text, paceMs = 0 }) => {
  refuseControls(text);
  await desk.screen.type(text, paceMs, desk.signal);
};

/** A control character is on no keyboard, and half of a pair is no character. */
export function refuseControls(text: string): void {
  // eslint-disable-next-line no-control-regex
  if (/[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/.test(text))
    throw new DeskError('bad-argument', 'the text holds a control character; use key for keys');
  if (!text.isWellFormed()) throw new DeskError('bad-argument', 'the text is not well-formed Unicode');
}
