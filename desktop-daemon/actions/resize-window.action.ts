import type { Act } from './act.js';
import { findWindow } from './find-window.js';

/** Gives the inside of a window a size. */
export const resizeWindow: Act<'resizeWindow'> = async (desk, { window, width, height }) => {
  const size = { width: Math.round(width / desk.scale.x), height: Math.round(height / desk.scale.y) };
  return desk.screen.resizeWindow((await findWindow(desk.screen, window)).id, size);
};
