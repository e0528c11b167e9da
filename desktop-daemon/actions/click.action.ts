import { pause } from '../pause.js';
import type { Act } from './act.js';

/** Time between the clicks of a double click, and for which the button is down: programs take less for one. */
const BETWEEN_MS = 40;
const DOWN_MS = 4;

/** Presses and releases a button, up to three times, with keys held meanwhile. */
export const click: Act<'click'> = async (
  desk,
  { at, button = 'left', count = 1, holdMs, modifiers = [] },
) => {
  if (at) await desk.screen.move(desk.toScreen(at));
  await desk.held.withKeys(modifiers, async () => {
    for (let n = 0; n < count; n++) {
      if (n > 0) await pause(BETWEEN_MS, desk.signal);
      await desk.held.withButton(button, () => pause(holdMs ?? DOWN_MS, desk.signal));
    }
  });
};
