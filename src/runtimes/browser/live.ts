import type { Page } from 'playwright-core';
import type { Json } from '#events/shapes.js';
import type { LiveFrame, LiveInput, LiveView, PersonStep } from '../live-view.js';
import { castPage, type Frame } from './screencast.js';
import type { BrowserSession } from './session.js';

/** How often it is looked whether another tab came to the front. */
const FOLLOW_MS = 250;

/** Shows the tab of a run that is in front, and follows to the next one. `sessionOf` answers the session there is now. */
export function watchSession(
  sessionOf: () => BrowserSession | undefined,
  show: (frame: LiveFrame) => void,
): LiveView {
  let shown: Page | undefined;
  let stop: (() => Promise<void>) | undefined;
  let turning = Promise.resolve();
  let closed = false;

  async function follow(): Promise<void> {
    const front = sessionOf()?.front;
    if (closed || front === shown) return;
    await stop?.();
    stop = undefined;
    shown = front;
    if (!front || front.isClosed()) return;
    const tell = ({ jpeg, width, height }: Frame) => {
      if (!closed) show({ image: jpeg, width, height, url: front.url() });
    };
    stop = await castPage(front, tell);
    await showNow(front, tell);
  }

  const look = () => {
    turning = turning.then(follow).catch(() => undefined);
  };
  const timer = setInterval(look, FOLLOW_MS);
  look();
  return {
    close: async () => {
      closed = true;
      clearInterval(timer);
      await turning;
      await stop?.();
    },
  };
}

/** A page that does not change is not cast: whoever comes sees it once all the same. */
async function showNow(page: Page, tell: (frame: Frame) => void): Promise<void> {
  const jpeg = await page.screenshot({ type: 'jpeg', quality: 70, timeout: 2_000 }).catch(() => undefined);
  const size = page.viewportSize();
  if (jpeg && size) tell({ jpeg, ...size, at: Date.now() });
}

/** What a person does to the picture of a page, as a script. */
export function scriptOf(input: LiveInput): PersonStep {
  const script = (...actions: Json[]): PersonStep => ({ do: 'browser.script', with: { actions } });
  switch (input.input) {
    case 'click':
      return script({
        [input.button === 'right' ? 'rightClick' : 'click']: { at: { x: input.x, y: input.y } },
      });
    case 'doubleClick':
      return script({ doubleClick: { at: { x: input.x, y: input.y } } });
    case 'type':
      return script({ type: { value: input.text } });
    case 'key':
      return script({ press: { key: input.key } });
    case 'scroll':
      return script(
        { hover: { at: { x: input.x, y: input.y } } },
        { scroll: { dx: Math.round(input.dx), dy: Math.round(input.dy) } },
      );
    case 'open':
      return script({ goto: { url: input.url } });
    default:
      return script({ [input.input]: {} });
  }
}
