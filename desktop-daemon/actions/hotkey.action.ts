import type { Act } from './act.js';

/** Presses keys one after the other, and releases them the other way round. */
export const hotkey: Act<'hotkey'> = (desk, { keys }) => desk.held.withKeys(keys, () => Promise.resolve());
