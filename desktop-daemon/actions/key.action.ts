import type { Act } from './act.js';

/** Presses and releases one key. */
export const key: Act<'key'> = async (desk, { key: name, repeat = 1 }) => {
  for (let n = 0; n < repeat; n++) {
    desk.signal.throwIfAborted();
    await desk.held.withKeys([name], () => Promise.resolve());
  }
};
