import type { Act } from './act.js';
import { findWindow } from './find-window.js';

/** Puts the top left corner of a window somewhere. */
export const moveWindow: Act<'moveWindow'> = async (desk, { window, to }) =>
  desk.screen.moveWindow((await findWindow(desk.screen, window)).id, desk.toScreen(to));
