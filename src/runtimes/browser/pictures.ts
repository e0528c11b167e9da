import type { Locator } from 'playwright-core';
import type { Artifact } from '#events/shapes.js';
import type { Script } from './script.js';

interface Picture {
  readonly fullPage?: boolean;
  readonly of?: Locator | undefined;
  readonly timeoutMs?: number;
}

/** A picture of the page, kept as a PNG under its digest. Fields for passwords are covered. */
export async function keepPicture(
  script: Pick<Script, 'page' | 'task' | 'artifacts'>,
  { fullPage = false, of, timeoutMs = PICTURE_TIMEOUT_MS }: Picture = {},
): Promise<Artifact> {
  const { page, task, artifacts } = script;
  const options = { type: 'png' as const, timeout: timeoutMs, mask: [page.locator('input[type=password]')] };
  const png = await (of ? of.screenshot(options) : page.screenshot({ ...options, fullPage }));
  const artifact = await task.files.keep(png, {
    type: 'screenshot',
    mediaType: 'image/png',
    extension: 'png',
  });
  if (!artifacts.some(({ path }) => path === artifact.path)) artifacts.push(artifact);
  return artifact;
}

const PICTURE_TIMEOUT_MS = 10_000;
