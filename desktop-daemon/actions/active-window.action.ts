import type { Act } from './act.js';
import { told } from './windows.action.js';

/** The window that has the focus, or nothing. */
export const activeWindow: Act<'activeWindow'> = async (desk) => {
  const active = (await desk.screen.windows()).find((window) => window.active);
  return { result: active ? told(desk, active) : null };
};
