import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startBrowser, type Ran } from '../support/site-driver.js';
import { startSite, type Site } from '../support/site-pages.js';

let browser: Ran;
let site: Site;
beforeAll(async () => {
  site = await startSite({
    '/loud': `<!doctype html><title>Loud</title><p id="n">0</p><script>console.log('it began'); console.error('it failed');
      let n = 0; setInterval(() => (document.querySelector('#n').textContent = ++n), 100)</script>`,
  });
  browser = await startBrowser();
});
afterAll(async () => {
  await browser.close();
  await site.close();
});
const actions = () => [{ goto: { url: `${site.url}/loud` } }, { wait: { ms: 1_200 } }];
const textOf = async (path: string) => new TextDecoder().decode(await browser.files.read(path));

describe('what is recorded of a step', () => {
  it('is nothing, unless the mission asks for it', async () => {
    expect((await browser.run(actions())).artifacts).toEqual([]);
  });

  it('is its traffic as HAR, its console, and a film', async () => {
    const { artifacts } = await browser.run(actions(), { metadata: { record: ['har', 'console', 'video'] } });
    expect(artifacts!.map(({ type, mediaType }) => [type, mediaType])).toEqual([
      ['console', 'text/plain'],
      ['har', 'application/json'],
      ['video', 'video/webm'],
    ]);
    const [console, har, video] = artifacts!.map(({ path }) => path);
    expect(await textOf(console!)).toBe('[log] it began\n[error] it failed\n');
    const { log } = JSON.parse(await textOf(har!)) as { log: { entries: { request: { url: string } }[] } };
    expect(log.entries.map(({ request }) => request.url)).toContain(`${site.url}/loud`);
    const film = Buffer.from(await browser.files.read(video!));
    expect(film.subarray(0, 4).toString('hex')).toBe('1a45dfa3');
    expect(film.includes('webm')).toBe(true);
    expect(film.includes('V_VP8')).toBe(true);
    expect(film.byteLength).toBeGreaterThan(2_000);
  });

  it('is there of a step that failed, too', async () => {
    const failed = await browser.fails([...actions(), { assert: { text: 'never' } }], {
      metadata: { record: ['console'] },
    });
    expect(failed.artifacts.map(({ type }) => type).toSorted()).toEqual(['console', 'screenshot']);
  });

  it('is one HAR of steps that run side by side, kept by the one that ends last', async () => {
    const how = (stepId: string) => ({ runId: 'run_har', stepId, metadata: { record: ['har'] } });
    const quick = browser.run(actions(), how('one'));
    const slow = browser.run([...actions(), { wait: { ms: 800 } }], how('two'));
    expect((await quick).artifacts).toEqual([]);
    expect((await slow).artifacts!.map(({ type }) => type)).toEqual(['har']);
  });
});

describe('the pictures of a step', () => {
  const twoChanges = () => [...actions(), { press: { key: 'a' } }, { press: { key: 'b' } }];
  it.each([
    ['none', 0],
    ['failures', 0],
    ['changes', 2],
    ['all', 4],
  ])('are taken as the mission says: %s', async (screenshots, count) => {
    const before = browser.traces.length;
    const { artifacts } = await browser.run(twoChanges(), { metadata: { screenshots } });
    const told = browser.traces.slice(before).filter(({ screenshot }) => screenshot !== undefined);
    expect(told).toHaveLength(count);
    for (const { screenshot } of told) expect(artifacts!.map(({ path }) => path)).toContain(screenshot);
  });

  it('are not taken of a failure when the mission wants none', async () => {
    const failed = await browser.fails([...actions(), { assert: { text: 'never' } }], {
      metadata: { screenshots: 'none' },
    });
    expect(failed.artifacts).toEqual([]);
  });
});
