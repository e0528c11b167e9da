import { describe, expect, it } from '@jest/globals';
import { planSchema } from '#events/plan.js';

const step = (id: string, more: object = {}) => ({
  id,
  title: `step ${id}`,
  do: 'workspace.call',
  with: { tool: 'noop' },
  ...more,
});
const script = (...actions: unknown[]) => ({
  id: 'a',
  title: 'a script',
  do: 'browser.script',
  with: { actions },
});

/** What the schema says against a plan of these steps: `path: message`. */
const problemsOf = (...steps: unknown[]): string[] =>
  (planSchema.safeParse({ steps }).error?.issues ?? []).map(
    ({ path, message }) => `${path.join('.')}: ${message}`,
  );
const accepts = (...steps: unknown[]): boolean => problemsOf(...steps).length === 0;

describe('a plan', () => {
  it('may be a diamond', () => {
    const diamond = [
      step('a'),
      step('b', { needs: ['a'] }),
      step('c', { needs: ['a'] }),
      step('d', { needs: ['b', 'c'] }),
    ];
    expect(problemsOf(...diamond)).toEqual([]);
  });

  it('may name a need before the step it names', () => {
    expect(problemsOf(step('b', { needs: ['a'] }), step('a'))).toEqual([]);
  });

  it('needs a step', () => {
    expect(accepts()).toBe(false);
  });

  it('refuses an id used twice', () => {
    expect(problemsOf(step('a'), step('a'))).toEqual(['steps.1.id: step id "a" is used twice']);
  });

  it('refuses a need that names no step', () => {
    expect(problemsOf(step('a', { needs: ['b'] }))).toEqual([
      'steps.0.needs.0: "b" is not the id of a step in this plan',
    ]);
  });

  it('refuses a cycle, and names it without the steps that lead into it', () => {
    const cycle = [
      step('in', { needs: ['a'] }),
      step('a', { needs: ['b'] }),
      step('b', { needs: ['c'] }),
      step('c', { needs: ['a'] }),
    ];
    expect(problemsOf(step('first'), ...cycle)).toEqual(['steps.2.needs: needs form a cycle: a → b → c → a']);
  });

  it('refuses a step that needs itself', () => {
    expect(problemsOf(step('a', { needs: ['a'] }))).toEqual(['steps.0.needs: needs form a cycle: a → a']);
  });

  it('gives every retry a pause', () => {
    const { steps } = planSchema.parse({ steps: [step('a', { retry: { max: 2 } })] });
    expect(steps[0]?.retry).toEqual({ max: 2, backoffMs: 1000 });
  });

  it('refuses a field it does not know, in itself and in a step', () => {
    expect(planSchema.safeParse({ steps: [step('a')], owner: 'me' }).success).toBe(false);
    expect(problemsOf(step('a', { colour: 'red' }))).toEqual(['steps.0: Unrecognized key: "colour"']);
  });

  it.each(['1a', '', 'a.b', 'a b', 'a:1', `a${'b'.repeat(63)}`])('refuses %j as a step id', (id) => {
    expect(accepts(step(id))).toBe(false);
  });

  it.each(['a', 'A-1_b', `a${'b'.repeat(62)}`])('takes %j as a step id', (id) => {
    expect(accepts(step(id))).toBe(true);
  });

  it('refuses a thing to do that nobody can do', () => {
    expect(accepts({ ...step('a'), do: 'kitchen.cook' })).toBe(false);
  });

  it('loops only over an expression', () => {
    expect(accepts(step('a', { forEach: '{{ inputs.list }}' }))).toBe(true);
    expect(accepts(step('a', { forEach: '{{\n  inputs.list\n}}' }))).toBe(true);
    expect(accepts(step('a', { forEach: 'inputs.list' }))).toBe(false);
    expect(accepts(step('a', { forEach: 'inputs.list }}' }))).toBe(false);
  });

  it.each([
    { jsonata: '$exists(total)' },
    { file: { path: 'a.md', minBytes: 1 }, message: 'no report' },
    { schema: { type: 'object' } },
    { text: 'Thank you' },
    { status: 200 },
    { quotes: '{{ steps.read.text }}' },
  ])('takes the check %j', (check) => {
    expect(accepts(step('a', { expect: [check] }))).toBe(true);
  });

  it.each([{}, { status: 99 }, { quotes: 'no expression' }, { text: 'a', status: 200 }, { looksGood: true }])(
    'refuses the check %j',
    (check) => {
      expect(accepts(step('a', { expect: [check] }))).toBe(false);
    },
  );
});

describe('a browser script', () => {
  it.each([
    { goto: { url: 'https://example.com', timeoutMs: '{{ inputs.patience }}' } },
    { click: { role: 'button', name: 'Save' } },
    { fill: { label: 'Name', value: '' } },
    { press: { key: 'Enter' } },
    { select: { testId: 'size', value: ['S', 'M'] } },
    { wait: { ms: 0 } },
    { extract: { name: 'link', as: 'attribute', attribute: 'href' } },
    { screenshot: {} },
    { click: { role: 'button', name: 'Save', text: 'Save', selector: '#save' } },
    { hover: { at: { x: 1, y: 2 } } },
    { back: {} },
    { upload: { label: 'Papers', files: '{{ steps.a.output.paths }}' } },
    { wait: { idle: true } },
    { frame: { main: true } },
    { assert: { title: 'Orders', absent: true } },
  ])('takes the action %j', (action) => {
    expect(problemsOf(script(action))).toEqual([]);
  });

  it.each([
    { fly: { to: 'the moon' } },
    { goto: {} },
    { goto: { url: '' } },
    { goto: { url: 'https://example.com' }, click: { text: 'Save' } },
    { goto: { url: 'https://example.com', timeoutMs: 'soon' } },
    { click: {} },
    { click: { name: 'Save' } },
    { click: { role: 'button', at: { x: 1, y: 2 } } },
    { click: { at: { x: -1, y: 2 } } },
    { drag: { from: { text: 'a' } } },
    { frame: { name: 'a', main: true } },
    { download: { url: 'https://example.com', click: { text: 'a' } } },
    { extract: { name: 'r', as: 'records' } },
    { evaluate: { script: '1' } },
    { fill: { label: 'Name' } },
    { wait: {} },
    { wait: { ms: 1, text: 'Ready' } },
    { extract: { name: 'link', as: 'attribute' } },
    { extract: { name: 'all', as: 'text', attribute: 'href' } },
    { assert: { text: 'a', title: 'b' } },
    { assert: { absent: true } },
    {},
    'click',
  ])('refuses the action %j', (action) => {
    expect(accepts(script(action))).toBe(false);
  });

  it('needs an action', () => {
    expect(accepts(script())).toBe(false);
  });
});
