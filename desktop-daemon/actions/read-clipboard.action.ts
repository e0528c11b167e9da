import type { Act } from './act.js';

/** The text that the clipboard holds. */
export const readClipboard: Act<'readClipboard'> = async (desk) => ({
  result: await desk.screen.readClipboard(),
});
