import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import * as subjects from '#events/subjects.js';
import { catalog } from '#events/catalog.js';

const RUN = 'run_01JD9Z3V8QH5T2M6K4X7R0WBCE';

describe('the subjects', () => {
  it('are spelled like this', () => {
    expect(subjects.streamName(3)).toBe('SKYAGENT_RUNS_3');
    expect(subjects.STREAM_PREFIX).toBe('SKYAGENT_RUNS_');
    expect(subjects.partitionSubject(3)).toBe('skyagent.runs.3.>');
    expect(subjects.runSubject(3, RUN)).toBe('skyagent.runs.3.run_01JD9Z3V8QH5T2M6K4X7R0WBCE.>');
    expect(subjects.eventSubject(3, RUN, 'step.succeeded')).toBe(
      'skyagent.runs.3.run_01JD9Z3V8QH5T2M6K4X7R0WBCE.step.succeeded',
    );
    expect(subjects.typeSubject('run.created', 3)).toBe('skyagent.runs.3.*.run.created');
    expect(subjects.typeSubject('run.created')).toBe('skyagent.runs.*.*.run.created');
  });

  it('wake an owner after these events', () => {
    expect(subjects.WAKE_UP_TYPES).toEqual([
      'run.created',
      'run.resumed',
      'plan.approved',
      'plan.rejected',
      'step.approved',
      'step.rejected',
      'step.skipped',
      'step.reconciled',
      'control.released',
      'timer.fired',
      'budget.raised',
    ]);
  });

  it('tell an owner of these events that others wrote', () => {
    expect(subjects.CONTROL_TYPES).toEqual([
      'run.recovered',
      'run.pause-requested',
      'run.cancel-requested',
      'run.cancelled',
      'step.approved',
      'step.rejected',
      'step.skipped',
      'step.reconciled',
      'budget.raised',
    ]);
  });

  it('name only events there are', () => {
    expect([...catalog.keys()]).toEqual(
      expect.arrayContaining([...subjects.WAKE_UP_TYPES, ...subjects.CONTROL_TYPES]),
    );
  });

  it.each(['', 'a.b', 'a b', '*', '>', 'run_1.>', 'ä', 'a\n'])(
    'refuse %j as a run id, which would be another subject',
    (runId) => {
      expect(() => subjects.runSubject(0, runId)).toThrow(RangeError);
      expect(() => subjects.eventSubject(0, runId, 'run.created')).toThrow(RangeError);
    },
  );
});

describe('the partition of a run', () => {
  it('is the same for good', () => {
    expect(subjects.partitionOf('run_01JD9Z3V8QH5T2M6K4X7R0WBCE', 8)).toBe(4);
    expect(subjects.partitionOf('run_01JD9X0M6Z8GQ4TNC1V5SWKR2A', 8)).toBe(1);
    expect(subjects.partitionOf('a', 8)).toBe(4);
    expect(subjects.partitionOf('', 8)).toBe(5);
    expect(subjects.partitionOf('run_01JD9Z3V8QH5T2M6K4X7R0WBCE', 1000)).toBe(396);
  });

  it('is one of the partitions there are', () => {
    const law = fc.property(fc.string(), fc.integer({ min: 1, max: 64 }), (runId, partitions) => {
      const partition = subjects.partitionOf(runId, partitions);
      expect(Number.isInteger(partition) && partition >= 0 && partition < partitions).toBe(true);
    });
    fc.assert(law);
  });

  it('spreads runs evenly, also when their ids follow each other', () => {
    const counts = Array.from({ length: 8 }, () => 0);
    for (let index = 0; index < 8000; index++) {
      const id = `run_01JD9Z3V8Q${index.toString(32).toUpperCase().padStart(16, '0')}`;
      counts[subjects.partitionOf(id, 8)]!++;
    }
    expect(Math.min(...counts)).toBeGreaterThan(850);
    expect(Math.max(...counts)).toBeLessThan(1150);
  });
});
