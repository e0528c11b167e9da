import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { planSchema } from '#events/plan.js';
import { startBrowser, type Ran } from '../support/site-driver.js';
import { startSite, type Site } from '../support/site-pages.js';

let browser: Ran;
let site: Site;
beforeAll(async () => {
  site = await startSite({
    '/some': '<table><tr><td class="number">INV-1</td></tr></table>',
    '/none': '<table></table>',
  });
  browser = await startBrowser();
});
afterAll(async () => {
  await browser.close();
  await site.close();
});

const looking = (path: string, found = '"INV-1" in output.numbers'): object => ({
  actions: [
    { goto: { url: site.url + path } },
    { extract: { name: 'numbers', as: 'text', selector: 'td.number', all: true } },
  ],
  found,
});
const click = [{ click: { role: 'button', name: 'Save' } }];

describe('a script that was interrupted', () => {
  it('took effect when its look-up finds that, and did not when it does not', async () => {
    expect(await browser.lookUp(click, looking('/some'))).toMatchObject({
      outcome: 'confirmed',
      result: { output: { numbers: ['INV-1'] } },
    });
    expect(await browser.lookUp(click, looking('/none'))).toEqual({ outcome: 'refuted' });
  });

  it('without a look-up is in doubt, and so is one whose page cannot be looked at', async () => {
    expect(await browser.lookUp(click)).toEqual({ outcome: 'unknown' });
    await expect(browser.lookUp(click, looking('/missing'))).rejects.toMatchObject({ code: 'page-status' });
  });
});

describe('a look-up', () => {
  it('that would do something is refused with its plan', () => {
    const plan = (lookUp: object) => ({
      steps: [{ id: 'a', title: 'a', do: 'browser.script', with: { actions: click, lookUp } }],
    });
    expect(planSchema.safeParse(plan(looking('/some'))).success).toBe(true);
    const acting = planSchema.safeParse(plan({ actions: click, found: 'true' }));
    expect(acting.error?.issues[0]?.message).toContain('a look-up only looks');
  });
});
