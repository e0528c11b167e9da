import { describe, expect, it } from '@jest/globals';
import { rangeOf } from '../../src/gateway/byte-range.js';

describe('a Range header over ten bytes', () => {
  it.each([
    ['bytes=0-3', { first: 0, last: 3 }],
    ['bytes=4-', { first: 4, last: 9 }],
    ['bytes=-3', { first: 7, last: 9 }],
    ['bytes=-30', { first: 0, last: 9 }],
    ['bytes=8-99', { first: 8, last: 9 }],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=3-1', undefined],
    ['bytes=0-1,4-5', undefined],
    ['items=0-1', undefined],
    ['bytes=-', undefined],
    [undefined, undefined],
  ])('%s asks for %j', (header, part) => {
    expect(rangeOf(header, 10)).toEqual(part);
  });

  it('of an empty body cannot be kept', () => {
    expect(rangeOf('bytes=0-', 0)).toBe('unsatisfiable');
  });
});
