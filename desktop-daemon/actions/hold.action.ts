import { pause } from '../pause.js';
import type { Act } from './act.js';

/** Keeps keys or a button down: for a time, or until they are released. */
export const hold: Act<'hold'> = async (desk, { keys, button, ms }) => {
  if (ms === undefined) return keys ? desk.held.pressKeys(keys) : desk.held.pressButton(button!);
  const wait = () => pause(ms, desk.signal);
  return keys ? desk.held.withKeys(keys, wait) : desk.held.withButton(button!, wait);
};
