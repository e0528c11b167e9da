import { describe, expect, it } from '@jest/globals';
import { upcast, type Upcaster } from '#events/upcasters/upcasters.js';

const rename: Upcaster = (data) => ({ stepId: (data as { step: string }).step });
const count: Upcaster = (data) => ({ ...(data as object), attempt: 1 });
const table = new Map([
  ['step.started@1', rename],
  ['step.started@2', count],
  ['step.failed@3', count],
]);

describe('upcast', () => {
  it('lifts data one version at a time up to the current one', () => {
    expect(upcast('step.started', 1, { step: 'a' }, table)).toEqual({ stepId: 'a', attempt: 1 });
  });

  it('starts at the version the data was written in', () => {
    expect(upcast('step.started', 2, { stepId: 'b' }, table)).toEqual({ stepId: 'b', attempt: 1 });
  });

  it('leaves current data alone', () => {
    const data = { stepId: 'c' };
    expect(upcast('step.started', 3, data, table)).toBe(data);
  });

  it('keeps the versions of one type apart from those of another', () => {
    const data = { step: 'd' };
    expect(upcast('step.failed', 1, data, table)).toBe(data);
  });

  it('knows no old versions yet', () => {
    const data = { step: 'e' };
    expect(upcast('step.started', 1, data)).toBe(data);
  });
});
