import type { Act } from './act.js';
import { findWindow } from './find-window.js';

/** Brings a window to the front and gives it the focus. */
export const focusWindow: Act<'focusWindow'> = async (desk, { window }) =>
  desk.screen.focusWindow((await findWindow(desk.screen, window)).id);
