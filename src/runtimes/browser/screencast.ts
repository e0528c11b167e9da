import type { Page } from 'playwright-core';
import { within } from './within.js';

/** One picture of a page, as JPEG. */
export interface Frame {
  readonly jpeg: Buffer;
  /** Size of what is to be seen of the page, in CSS pixels. */
  readonly width: number;
  readonly height: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}
type Listener = (frame: Frame) => void;

interface Cast {
  readonly listeners: Set<Listener>;
  readonly started: Promise<unknown>;
}

const casts = new WeakMap<Page, Cast>();
const QUALITY = 70;
/** A page that hangs does not stop being cast by itself. */
const STOP_MS = 2_000;
const SIZE = { width: 1280, height: 800 };

/** Pictures of a page whenever it looks different, to as many as want them: a page can be cast once at a time. */
export async function castPage(page: Page, listener: Listener): Promise<() => Promise<void>> {
  const cast = casts.get(page) ?? begin(page);
  casts.set(page, cast);
  cast.listeners.add(listener);
  await cast.started.catch(() => undefined);
  return async () => {
    cast.listeners.delete(listener);
    if (cast.listeners.size > 0 || casts.get(page) !== cast) return;
    casts.delete(page);
    await within(
      STOP_MS,
      page.screencast.stop().catch(() => undefined),
    );
  };
}

function begin(page: Page): Cast {
  const listeners = new Set<Listener>();
  const started = page.screencast.start({
    quality: QUALITY,
    size: SIZE,
    onFrame: ({ data, viewportWidth, viewportHeight }) => {
      const frame = { jpeg: data, width: viewportWidth, height: viewportHeight, at: Date.now() };
      for (const tell of listeners) tell(frame);
    },
  });
  return { listeners, started };
}
