import { describe, expect, it } from '@jest/globals';
import { redacted } from '../../src/runtimes/redact.js';

describe('what was typed', () => {
  it('is told by its length alone, wherever it stands', () => {
    const told = redacted({
      actions: [
        { fill: { label: 'Password', value: 'hunter2' } },
        { type: { value: 'ä' } },
        { press: { key: 'x' } },
        { press: { key: 'Shift+X' } },
        { select: { label: 'Size', value: ['S', 'M'] } },
      ],
    });
    expect(told).toEqual({
      actions: [
        { fill: { label: 'Password', value: { length: 7 } } },
        { type: { value: { length: 1 } } },
        { press: { key: { length: 1 } } },
        { press: { key: { length: 7 } } },
        { select: { label: 'Size', value: [{ length: 1 }, { length: 1 }] } },
      ],
    });
  });

  it('is not a key that types nothing, nor where it was typed', () => {
    const plain = {
      press: { key: 'Enter' },
      chord: { key: 'Control+a' },
      at: { x: 1, y: 2 },
      ok: true,
      none: null,
    };
    expect(redacted(plain)).toEqual(plain);
  });
});
