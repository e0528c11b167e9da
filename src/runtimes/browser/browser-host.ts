import type { Browser } from 'playwright-core';
import { launchChromium, type ChromiumSettings } from './chromium.js';

/** One browser for all runs of a process. */
export interface BrowserHost {
  /** The browser, started when there is none, for as long as its holder keeps it. */
  acquire(): Promise<HeldBrowser>;
  close(): Promise<void>;
}

export interface HeldBrowser {
  readonly browser: Browser;
  readonly release: () => void;
}

/** How long a browser that nobody holds stays up for the next one. */
const IDLE_MS = 15_000;
/** A browser that does not close when it is asked to is killed. */
const CLOSE_MS = 1_500;

export function createBrowserHost(settings: ChromiumSettings): BrowserHost {
  let launching: Promise<Browser> | undefined;
  let holders = 0;
  let idle: NodeJS.Timeout | undefined;

  async function running(): Promise<Browser> {
    launching ??= launchChromium(settings).then(({ browser }) => browser);
    const started = launching;
    const browser = await started.catch((error: unknown) => {
      if (launching === started) launching = undefined;
      throw error;
    });
    if (browser.isConnected()) return browser;
    if (launching === started) launching = undefined;
    return running();
  }

  async function close(): Promise<void> {
    clearTimeout(idle);
    const closing = launching;
    launching = undefined;
    const browser = await closing?.catch(() => undefined);
    if (browser) await closeOrKill(browser);
  }

  return {
    acquire: async () => {
      clearTimeout(idle);
      holders++;
      const release = once(() => {
        if (--holders === 0) idle = setTimeout(() => void close(), IDLE_MS).unref();
      });
      try {
        return { browser: await running(), release };
      } catch (error) {
        release();
        throw error;
      }
    },
    close,
  };
}

/** A page that hangs in a script of its own can hold up the end of its browser. */
async function closeOrKill(browser: Browser): Promise<void> {
  const timer = setTimeout(() => void killServer(browser), CLOSE_MS);
  await browser.close().catch(() => undefined);
  clearTimeout(timer);
}

async function killServer(browser: Browser): Promise<void> {
  const session = await browser.newBrowserCDPSession().catch(() => undefined);
  await session?.send('Browser.crash').catch(() => undefined);
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (!done) work();
    done = true;
  };
}
