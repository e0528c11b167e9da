import { describe, expect, it } from '@jest/globals';
import type { Json } from '#events/shapes.js';
import {
  evaluate,
  expressionsIn,
  hasExpression,
  resolve,
  stepsMentioned,
  syntaxError,
  type Scope,
} from '../../src/effects/resolve.js';

const scope: Scope = {
  inputs: { who: 'Ada', n: 3, list: ['a', 'b'], none: null, one: ['only'] },
  mission: { id: 'mission_1', objective: 'count', metadata: {} },
  steps: { first: { output: { count: 2, rows: [{ x: 1 }, { x: 2 }] } } },
  item: { name: 'an item' },
};

describe('a value with expressions', () => {
  it.each<[string, Json, Json]>([
    ['a number', '{{ inputs.n }}', 3],
    ['a number that is reckoned', '{{ inputs.n * 2 + steps.first.output.count }}', 8],
    ['text', '{{ inputs.who }}', 'Ada'],
    ['a list', '{{ inputs.list }}', ['a', 'b']],
    ['an object', '{{ steps.first.output.rows[0] }}', { x: 1 }],
    ['true', '{{ inputs.n > 2 }}', true],
    ['null', '{{ inputs.none }}', null],
    ['with white space around it', '  {{ inputs.n }}\n', 3],
    ['over lines', '{{\n  inputs.n\n}}', 3],
    ['a list of one, kept as a list', '{{ [inputs.one] }}', ['only']],
    ['what stands in the item', '{{ item.name }}', 'an item'],
    ['what stands in the mission', '{{ mission.objective }}', 'count'],
  ])('that is one expression becomes what it yields, of its type: %s', async (_, text, value) => {
    expect(await resolve(text, scope)).toEqual(value);
  });

  it.each([
    ['Hello {{ inputs.who }}!', 'Hello Ada!'],
    ['{{ inputs.who }} and {{ inputs.n }}', 'Ada and 3'],
    ['{{ inputs.list }} in words', '["a","b"] in words'],
    ['nothing: {{ inputs.nobody }}.', 'nothing: .'],
    ['$& and $1 stay: {{ inputs.who }}', '$& and $1 stay: Ada'],
  ])('among other text becomes text: %j', async (text, value) => {
    expect(await resolve(text, scope)).toBe(value);
  });

  it('that finds nothing becomes null', async () => {
    expect(await resolve('{{ inputs.nobody.name }}', scope)).toBeNull();
    expect(await resolve('{{ steps.second.output }}', scope)).toBeNull();
    expect(await resolve('{{ $undefinedFunction }}', scope)).toBeNull();
  });

  it('deep in lists and objects is replaced where it stands, and the rest stays as it is', async () => {
    const value = { a: ['{{ inputs.n }}', 1, null, { b: 'x{{ inputs.n }}' }], '{{ inputs.who }}': true };
    expect(await resolve(value, scope)).toEqual({ a: [3, 1, null, { b: 'x3' }], '{{ inputs.who }}': true });
  });

  it('is resolved once: what comes out is not looked at again', async () => {
    const tricky: Scope = { ...scope, inputs: { evil: '{{ inputs.secret }}', secret: 'hidden' } };
    expect(await resolve('{{ inputs.evil }}', tricky)).toBe('{{ inputs.secret }}');
    expect(await resolve('say {{ inputs.evil }}', tricky)).toBe('say {{ inputs.secret }}');
  });

  it('that fails says which expression it was', async () => {
    await expect(resolve('{{ $sum("x") }}', scope)).rejects.toMatchObject({
      failure: {
        kind: 'input',
        code: 'bad-expression',
        message: expect.stringMatching(/^expression “\$sum\("x"\)” failed: /),
      },
    });
  });

  it('cannot reach the program it runs in', async () => {
    for (const way of [
      'inputs.constructor',
      'inputs.__proto__',
      '$constructor',
      'inputs.who.constructor',
      '$eval("process")',
    ]) {
      expect(await resolve(`{{ ${way} }}`, scope)).toBeNull();
    }
  });

  it('does not change what it sees', async () => {
    const before = JSON.stringify(scope);
    await evaluate('inputs ~> | $ | { "n": 99 } |', scope);
    expect(JSON.stringify(scope)).toBe(before);
  });
});

describe('the expressions of a value', () => {
  it('are found wherever they stand', () => {
    expect(expressionsIn({ a: ['{{ x }} and {{ y }}'], b: { c: '{{z}}' }, d: 3 })).toEqual([
      ' x ',
      ' y ',
      'z',
    ]);
    expect(hasExpression({ a: ['none'] })).toBe(false);
    expect(hasExpression({ a: ['{{ x }}'] })).toBe(true);
  });

  it('name the steps they need', () => {
    const value = [
      '{{ steps.a.output & steps.`b-c`.output }}',
      '{{ $count($$.steps.d_1.output) }}',
      { jsonata: 'steps.e.output = 1' },
    ];
    expect(stepsMentioned(value)).toEqual(new Set(['a', 'b-c', 'd_1', 'e']));
  });

  it('are told to be wrong before anything runs', () => {
    expect(syntaxError('inputs.n + 1')).toBeUndefined();
    expect(syntaxError('inputs.n +')).toMatch(/ \(at character \d+\)$/);
  });
});
