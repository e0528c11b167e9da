import type { Act } from './act.js';

/** Turns the wheel. */
export const scroll: Act<'scroll'> = async (desk, { at, dx = 0, dy = 0, modifiers = [] }) => {
  if (at) await desk.screen.move(desk.toScreen(at));
  await desk.held.withKeys(modifiers, () => desk.screen.wheel(dx, dy));
};
