import { describe, expect, it } from '@jest/globals';
import { stepSchema } from '#events/plan.js';
import { isSafeToRepeat } from '#machines/step/safety.js';

const safe = (step: object): boolean =>
  isSafeToRepeat(stepSchema.parse({ id: 'a', title: 'a step', ...step }));
const script = (...actions: object[]) => ({ do: 'browser.script', with: { actions } });
const call = (tool: string, server?: string) => ({
  do: 'workspace.call',
  with: { tool, ...(server && { server }) },
});

const GOTO = { goto: { url: 'https://example.com' } };

describe('a step', () => {
  it.each([
    ['a script that only looks', script(GOTO, { wait: { ms: 1 } }, { extract: { name: 'x', as: 'text' } })],
    ['a script that takes a picture and checks', script({ screenshot: {} }, { assert: { text: 'Hello' } })],
    ['a call of a built-in tool that gives the same twice', call('fs.write')],
    ['a look at the desktop', { do: 'desktop.script', with: { actions: [{ screenshot: {} }] } }],
    ['anything that says so itself', { ...call('pay', 'bank'), safeToRepeat: true }],
  ])('is safe to repeat: %s', (_what, step) => {
    expect(safe(step)).toBe(true);
  });

  it.each([
    ['a script that clicks after it looked', script(GOTO, { click: { text: 'Buy' } })],
    ['a script that fills', script({ fill: { label: 'Name', value: 'x' } })],
    ['a script that presses a key', script({ press: { key: 'Enter' } })],
    ['a script that selects', script({ select: { label: 'Size', value: 'L' } })],
    ['a built-in tool nobody has vouched for', call('shell.run')],
    ['a tool of another server that only has a safe name', call('fs.write', 'files')],
    ['a task in words', { do: 'browser.task', with: { instruction: 'look around' } }],
    ['a script for the desktop', { do: 'desktop.script', with: { actions: [{ key: { key: 'enter' } }] } }],
    ['a task in words for the desktop', { do: 'desktop.task', with: { instruction: 'look around' } }],
    ['anything that says so itself', { ...call('noop'), safeToRepeat: false }],
  ])('is not safe to repeat: %s', (_what, step) => {
    expect(safe(step)).toBe(false);
  });
});
