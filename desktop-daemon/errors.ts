import { DESKTOP_ERRORS, type DesktopErrorBody, type DesktopErrorCode } from '#events/desktop.js';

/** Why something was not done, in words for whoever asked for it. Nothing that was typed or read is in it. */
export class DeskError extends Error {
  constructor(
    readonly code: DesktopErrorCode,
    message: string,
    /** Nothing was done at all. */
    readonly untouched = true,
    /** How many characters were typed before it stopped. */
    readonly typed?: number,
  ) {
    super(message);
    this.name = 'DeskError';
  }

  body(): DesktopErrorBody {
    const { code, message, untouched, typed } = this;
    return { code, message, hint: DESKTOP_ERRORS[code], untouched, ...(typed !== undefined && { typed }) };
  }
}

export const asDeskError = (error: unknown): DeskError =>
  error instanceof DeskError ? error : new DeskError('fault', 'the daemon made a mistake', false);
