/// <reference lib="dom" />
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Browser, Page, Route } from 'playwright-core';
import { castPage, type Frame } from './screencast.js';

export interface VideoRecording {
  /** The film as WebM; nothing, when there was nothing to be seen or it could not be made. */
  stop(): Promise<Uint8Array | undefined>;
}

/** Pictures of a film at most; when there are more, every second one is left out, and from then on. */
const MOST_FRAMES = 600;
const FIRST_GAP_MS = 200;
/** How long the last picture stays. */
const LAST_MS = 1_000;
const ENCODE_MS = 60_000;

/** Films a page, from now until it is stopped. */
export async function recordVideo(page: Page): Promise<VideoRecording> {
  let frames: Frame[] = [];
  let gapMs = FIRST_GAP_MS;
  const stop = await castPage(page, (frame) => {
    const last = frames.at(-1);
    if (last && frame.at - last.at < gapMs) frames[frames.length - 1] = { ...frame, at: last.at };
    else frames.push(frame);
    if (frames.length <= MOST_FRAMES) return;
    frames = frames.filter((_, index) => index % 2 === 0);
    gapMs *= 2;
  });
  return {
    stop: async () => {
      await stop();
      const browser = page.context().browser();
      if (frames.length === 0 || !browser?.isConnected()) return undefined;
      return encode(browser, frames).catch(() => undefined);
    },
  };
}

/**
 * Chromium itself encodes the pictures (WebCodecs, VP8): no other program is needed. They are handed to a page of its own
 * that has no network, over addresses that are answered here.
 */
async function encode(browser: Browser, frames: readonly Frame[]): Promise<Uint8Array> {
  const context = await browser.newContext();
  try {
    const entry = createRequire(import.meta.url).resolve('mediabunny');
    const muxer = await readFile(join(dirname(entry), MUXER));
    await context.route('**/*', (route) => answer(route, frames, muxer));
    const page = await context.newPage();
    page.setDefaultTimeout(ENCODE_MS);
    await page.goto(STUDIO);
    const times = frames.map(({ at }, index) => ({
      at: (at - frames[0]!.at) / 1000,
      seconds: ((frames[index + 1]?.at ?? at + LAST_MS) - at) / 1000,
    }));
    const { width, height } = frames.at(-1)!;
    const encoded = await page.evaluate(encodeInPage, { times, width: even(width), height: even(height) });
    return Buffer.from(encoded, 'base64');
  } finally {
    await context.close();
  }
}

/** The library as one module for a page, beside the one for Node. */
const MUXER = 'mediabunny.min.mjs';
/** WebCodecs are for secure contexts alone. The name never leaves the browser. */
const STUDIO = 'https://studio.invalid/';
/** VP8 stores colour for squares of two by two. */
const even = (pixels: number): number => pixels - (pixels % 2);

async function answer(route: Route, frames: readonly Frame[], muxer: Buffer): Promise<void> {
  const { pathname } = new URL(route.request().url());
  if (pathname === '/') return route.fulfill({ contentType: 'text/html', body: '<!doctype html>' });
  if (pathname === '/muxer.mjs') return route.fulfill({ contentType: 'text/javascript', body: muxer });
  const frame = frames[Number(pathname.slice(1))];
  return frame ? route.fulfill({ contentType: 'image/jpeg', body: frame.jpeg }) : route.abort();
}

interface Film {
  readonly times: readonly { at: number; seconds: number }[];
  readonly width: number;
  readonly height: number;
}

/** Runs in the page; answers the film in base64. */
async function encodeInPage({ times, width, height }: Film): Promise<string> {
  const address = '/muxer.mjs';
  const { Output, WebMOutputFormat, BufferTarget, CanvasSource } = (await import(
    address
  )) as typeof import('mediabunny');
  const canvas = new OffscreenCanvas(width, height);
  const paint = canvas.getContext('2d')!;
  const source = new CanvasSource(canvas, { codec: 'vp8', bitrate: 1_000_000 });
  const target = new BufferTarget();
  const output = new Output({ format: new WebMOutputFormat(), target });
  output.addVideoTrack(source);
  await output.start();
  for (const [index, { at, seconds }] of times.entries()) {
    const picture = await createImageBitmap(await (await fetch(`/${index}`)).blob());
    paint.drawImage(picture, 0, 0, width, height);
    picture.close();
    await source.add(at, seconds);
  }
  await output.finalize();
  const bytes = new Uint8Array(target.buffer!);
  let text = '';
  for (let from = 0; from < bytes.length; from += 0x8000)
    text += String.fromCharCode(...bytes.subarray(from, from + 0x8000));
  return btoa(text);
}
