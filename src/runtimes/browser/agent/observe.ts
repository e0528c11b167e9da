import { sha256 } from '../../../log/hash-chain.js';
import { bounds, type Script } from '../script.js';
import type { Observation } from './observation.js';

/** Letters of a snapshot that a policy gets to see. */
const MOST_CHARACTERS = 60_000;
const SNAPSHOT_MS = 10_000;

/** Looks at the page as a person would, and as a screen reader would. */
export async function observe(script: Script): Promise<Observation> {
  const { page, tabs } = script;
  await page.waitForLoadState('domcontentloaded', bounds(script)).catch(() => undefined);
  const whole = await page.ariaSnapshot({ ...bounds(script), mode: 'ai', timeout: SNAPSHOT_MS });
  const screenshot = await page.screenshot({ type: 'png', timeout: SNAPSHOT_MS }).catch(() => undefined);
  return {
    url: page.url(),
    title: await page.title(),
    snapshot: whole.slice(0, MOST_CHARACTERS),
    cut: whole.length > MOST_CHARACTERS,
    screenshot,
    tabs: tabs.filter((tab) => !tab.isClosed()).map((tab) => tab.url()),
  };
}

/** Pages that look the same have the same print; the names that a snapshot gives its elements do not count, nor where the focus is. */
export const printOf = ({ url, snapshot }: Observation): string =>
  sha256(`${url}\n${snapshot.replace(/ \[(ref=[^\]]*|active)\]/g, '')}`);
