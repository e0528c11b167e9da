import { describe, expect, it } from '@jest/globals';
import { checkSchema } from '#events/plan.js';
import type { Json } from '#events/shapes.js';
import { fieldKey, isPageCheck, pageFinding, type PageCheck } from '../../src/validator/page-checks.js';

const NAME = { label: 'Name' };
const OUTPUT: Json = {
  url: 'https://shop.example/thanks?order=1',
  title: 'Thank you',
  status: 200,
  bill: { path: 'artifacts/a.pdf', digest: 'd'.repeat(64), bytes: 900, filename: 'bill-1.pdf' },
  seen: {
    text: 'Thank you, Ada',
    fields: { [JSON.stringify(NAME)]: 'Ada', [JSON.stringify({ label: 'Gone' })]: null },
    requests: [
      { method: 'GET', url: 'https://shop.example/thanks?order=1', type: 'document', status: 200 },
      { method: 'POST', url: 'https://shop.example/api/orders', type: 'fetch', status: 500 },
      { method: 'POST', url: 'https://shop.example/api/orders', type: 'fetch', status: 201 },
    ],
  },
};

const find = (check: object, output: Json = OUTPUT): string | undefined => {
  const parsed = checkSchema.parse(check);
  if (!isPageCheck(parsed)) throw new Error('not a check of a page');
  return pageFinding(parsed, output);
};

describe('a check of a page', () => {
  const holds: object[] = [
    { page: { url: '/thanks' } },
    { page: { title: 'Thank', status: 200, text: 'Ada', absent: 'Error' } },
    { field: { of: NAME, value: 'Ada' } },
    { request: { url: '/api/orders' } },
    { request: { url: '/api/orders', method: 'post', status: 201 } },
    { download: {} },
    { download: { name: '.pdf', digest: 'd'.repeat(64), minBytes: 900 } },
  ];
  it.each(holds)('holds: %j', (check) => {
    expect(find(check)).toBeUndefined();
  });

  const wrong: [object, string][] = [
    [{ page: { url: '/cart' } }, 'the page is not at /cart'],
    [{ page: { title: 'Sorry' } }, 'the title of the page does not hold “Sorry”'],
    [{ page: { status: 404 } }, 'the page was answered with 200, not 404'],
    [{ page: { text: 'Eve' } }, 'the page does not show “Eve”'],
    [{ page: { absent: 'Ada' } }, 'the page shows “Ada”'],
    [{ field: { of: NAME, value: 'Eve' } }, 'the field holds another value'],
    [{ field: { of: { label: 'Gone' }, value: '' } }, 'the field is not on the page'],
    [{ field: { of: { label: 'Never asked' }, value: '' } }, 'the field is not on the page'],
    [{ request: { url: '/api/none' } }, 'the page sent no request /api/none'],
    [{ request: { url: '/api/orders', method: 'DELETE' } }, 'the page sent no DELETE /api/orders'],
    [
      { request: { url: '/api/orders', method: 'POST', status: 200 } },
      'POST /api/orders was answered with 500, 201, not 200',
    ],
    [{ download: { minBytes: 901 } }, 'none of the 1 downloads is the one that was expected'],
    [{ download: { name: '.csv' } }, 'none of the 1 downloads is the one that was expected'],
  ];
  it.each(wrong)('does not hold, and says why: %j', (check, words) => {
    expect(find(check)).toBe(words);
  });

  it('holds for nothing that was not looked at', () => {
    expect(find({ page: { absent: 'Error' } }, { url: 'x' })).toBe('the page shows “Error”');
    expect(find({ page: { text: 'x' } }, {})).toBe('the page does not show “x”');
    expect(find({ download: {} }, {})).toBe('nothing was downloaded');
    for (const output of [null, 'text', 4, []])
      expect(find({ page: { url: 'x' } }, output)).toBe('the step has no page');
  });

  it('names a field by what it was looked for', () => {
    const check = checkSchema.parse({ field: { of: NAME, value: 'Ada' } }) as Extract<
      PageCheck,
      { field: unknown }
    >;
    expect(fieldKey(check)).toBe('{"label":"Name"}');
  });

  it.each([{ page: {} }, { field: { of: {}, value: 'x' } }, { request: {} }, { page: { status: 20 } }])(
    'is refused when it looks at nothing: %j',
    (check) => {
      expect(checkSchema.safeParse(check).success).toBe(false);
    },
  );
});
