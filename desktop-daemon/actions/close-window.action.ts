import type { Act } from './act.js';
import { findWindow } from './find-window.js';

/** Asks a program to close a window. It may ask back first. */
export const closeWindow: Act<'closeWindow'> = async (desk, { window }) =>
  desk.screen.closeWindow((await findWindow(desk.screen, window)).id);
