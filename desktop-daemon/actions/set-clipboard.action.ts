import type { Act } from './act.js';

/** Puts a text into the clipboard. */
export const setClipboard: Act<'setClipboard'> = (desk, { text }) => desk.screen.setClipboard(text);
