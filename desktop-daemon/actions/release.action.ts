import type { Act } from './act.js';

/** Releases keys, a button, or everything that is held. */
export const release: Act<'release'> = async (desk, { keys, button }) => {
  if (!keys && !button) return desk.held.releaseAll();
  if (keys) await desk.held.releaseKeys(keys);
  if (button) await desk.held.releaseButton(button);
};
