import type { Json } from '#events/shapes.js';
import type { WindowFacts } from '../screen/screen.js';
import type { Act, Desk } from './act.js';

/** The windows, the one in front first. */
export const windows: Act<'windows'> = async (desk) => ({
  result: (await desk.screen.windows()).map((window) => told(desk, window)),
});

/** A window as it is told of. */
export const told = (desk: Desk, { pid, content, ...window }: WindowFacts): Json => ({
  ...desk.toFrame(window),
  content: desk.toFrame({ ...content }),
  ...(pid !== undefined && { pid }),
});
