import type { Act } from './act.js';

/** Puts the cursor somewhere. */
export const move: Act<'move'> = (desk, { to }) => desk.screen.move(desk.toScreen(to));
