import { pause } from '../pause.js';
import type { Act } from './act.js';
import type { Point } from '../screen/screen.js';

const STEP_MS = 12;
/** Pixels between two places that a program hears of on the way. */
const STRIDE = 24;
/** A program must see that the button is down before it moves, and where it comes up. */
const REST_MS = 60;

/** Draws along a path with a button down. */
export const drag: Act<'drag'> = async (
  desk,
  { path, button = 'left', stepMs = STEP_MS, modifiers = [] },
) => {
  const [first, ...rest] = path.map((at) => desk.toScreen(at));
  await desk.screen.move(first!);
  await desk.held.withKeys(modifiers, () =>
    desk.held.withButton(button, async () => {
      await pause(REST_MS, desk.signal);
      for (const at of strides(first!, rest)) {
        await desk.screen.move(at);
        await pause(stepMs, desk.signal);
      }
      await pause(REST_MS, desk.signal);
    }),
  );
};

/** The places on the way from one point to the next: a cursor that jumps drags nothing in many programs. */
function* strides(from: Point, path: readonly Point[]): Generator<Point> {
  let last = from;
  for (const to of path) {
    const count = Math.max(1, Math.ceil(Math.hypot(to.x - last.x, to.y - last.y) / STRIDE));
    for (let n = 1; n <= count; n++) {
      const share = n / count;
      yield {
        x: Math.round(last.x + (to.x - last.x) * share),
        y: Math.round(last.y + (to.y - last.y) * share),
      };
    }
    last = to;
  }
}
