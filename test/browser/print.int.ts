import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  createPlaywrightDriver,
  type PlaywrightDriver,
} from '../../src/runtimes/browser/playwright.driver.js';
import { runParser } from '../../src/runtimes/workspace/parsers/run-parser.js';
import { startSite, type Site } from '../support/site-pages.js';
import { removeFolder, tempFolder } from '../support/temp.js';

let home: string;
let site: Site;
let driver: PlaywrightDriver;
beforeAll(async () => {
  home = await tempFolder();
  site = await startSite({ '/pixel.png': 'x' });
  driver = createPlaywrightDriver({ home, allowHosts: ['127.0.0.1'], agentFsRoot: home });
});
afterAll(async () => {
  await driver.close!();
  await site.close();
  await removeFolder(home);
});

describe('a page that is printed', () => {
  const signal = new AbortController().signal;

  it('is a PDF whose text can be read, runs no script and asks for nothing', async () => {
    const html = `<h1>Sums</h1><img src="${site.url}/pixel.png"><script>document.body.textContent = 'scripted'</script>`;
    const bytes = await driver.printPdf(html, signal);
    expect(Buffer.from(bytes.subarray(0, 5)).toString()).toBe('%PDF-');
    const { pages } = (await runParser({ kind: 'pdf', bytes, options: {} }, 'a.pdf', signal)) as {
      pages: string[];
    };
    expect(pages.join('')).toContain('Sums');
    expect(pages.join('')).not.toContain('scripted');
    expect(site.hits).toEqual([]);
  });

  it('is not printed for a step that was aborted', async () => {
    await expect(driver.printPdf('<p>x', AbortSignal.abort(new Error('paused')))).rejects.toThrow('paused');
  });
});
