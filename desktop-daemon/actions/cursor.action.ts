import type { Act } from './act.js';

/** Where the cursor is. */
export const cursor: Act<'cursor'> = async (desk) => ({
  result: desk.toFrame({ ...(await desk.screen.cursor()) }),
});
