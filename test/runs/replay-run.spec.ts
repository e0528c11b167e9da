import { describe, expect, it } from '@jest/globals';
import type { Envelope } from '#events/envelope.js';
import { statusOf } from '#machines/run/run.effects.js';
import type { StoredEvent } from '../../src/log/event-log.js';
import { BrokenChainError, seal } from '../../src/log/hash-chain.js';
import { replayRun, ReplayMismatchError, stateAsJson } from '../../src/runs/replay-run.js';
import { UnreadableRunError } from '../../src/runs/run-state.js';
import { createHost, fakeDriver, gives, step, stopHostsAfterEach, unsafe } from '../support/host.js';

stopHostsAfterEach();

/** A run that was paused without a reason on its way, as its log holds it. */
async function history(): Promise<StoredEvent[]> {
  const host = await createHost();
  const runId = await host.submit([
    step('a', { expect: [{ jsonata: 'true' }] }),
    unsafe('b', { needs: ['a'] }),
  ]);
  await host.tell(runId, { kind: 'PauseRun' });
  await host.tell(runId, { kind: 'ResumeRun' });
  await host.work(fakeDriver({ a: () => gives('x') }));
  await host.ends(runId, 'succeeded');
  return host.history(runId);
}

const bodyOf = (stored: StoredEvent): Envelope => stored.body as Envelope;
const withBody = (stored: StoredEvent, change: Partial<Envelope>): StoredEvent => ({
  ...stored,
  body: { ...bodyOf(stored), ...change },
});

/** The history with one body changed and every hash made anew: a forger who knows the algorithm. */
function forged(events: readonly StoredEvent[], at: number, change: Partial<Envelope>): StoredEvent[] {
  let prevhash = '0'.repeat(64);
  return events.map((stored, index) => {
    const { hash: _, ...unhashed } = { ...bodyOf(stored), ...(index === at ? change : {}), prevhash };
    const body = seal(unhashed);
    prevhash = body.hash;
    return { ...stored, body };
  });
}

describe('a replay', () => {
  it('goes through every state the run was in', async () => {
    const { timeline, state } = replayRun(await history());
    expect(timeline.map(({ rev, type, to, stepId }) => [rev, type, to, stepId])).toEqual([
      [1, 'run.created', 'queued', undefined],
      [2, 'run.paused', 'paused', undefined],
      [3, 'run.resumed', 'queued', undefined],
      [4, 'run.started', 'executing', undefined],
      [5, 'step.performed', 'executing', 'a'],
      [6, 'step.succeeded', 'executing', 'a'],
      [7, 'step.started', 'executing', 'b'],
      [8, 'step.succeeded', 'validating', 'b'],
      [9, 'run.succeeded', 'succeeded', undefined],
    ]);
    expect(statusOf(state.snapshot)).toBe('succeeded');
  });

  it('stops at a revision, and shows the state the run was in then', async () => {
    const { timeline, state } = replayRun(await history(), 4);
    expect(timeline).toHaveLength(4);
    expect(stateAsJson(state)).toMatchObject({
      rev: 4,
      machine: 'run@1',
      status: 'executing',
      active: 'active.executing',
    });
  });

  it('finds a body that was changed', async () => {
    const events = await history();
    const changed = events.with(4, withBody(events[4]!, { actor: 'somebody else' }));
    expect(() => replayRun(changed)).toThrow(BrokenChainError);
    expect(() => replayRun(changed)).toThrow(
      /broken at revision 5: the body does not have the hash it states$/,
    );
  });

  it('finds an event that is missing, one that is twice there, and two that changed places', async () => {
    const events = await history();
    expect(() => replayRun(events.toSpliced(4, 1))).toThrow(BrokenChainError);
    expect(() => replayRun(events.toSpliced(4, 0, events[4]!))).toThrow(BrokenChainError);
    expect(() => replayRun([...events.slice(0, 4), events[5]!, events[4]!, ...events.slice(6)])).toThrow(
      BrokenChainError,
    );
  });

  it('finds a recorded state that the machine does not reach, though every hash is sound', async () => {
    const events = forged(await history(), 5, { stateto: 'validating' });
    expect(() => replayRun(events)).toThrow(ReplayMismatchError);
    expect(() => replayRun(events)).toThrow(
      'revision 6 recorded the state validating, and replay reaches executing',
    );
  });

  it('finds an event that is not legal where it stands, though every hash is sound', async () => {
    const events = forged(await history(), 5, { type: 'skyagent.run.succeeded', data: { checks: 0 } });
    expect(() => replayRun(events)).toThrow(expect.objectContaining({ code: 'illegal-transition' }));
  });

  it('does not guess at an event it does not know', async () => {
    const events = forged(await history(), 5, { type: 'skyagent.step.teleported' });
    expect(() => replayRun(events)).toThrow(UnreadableRunError);
    expect(() => replayRun(events)).toThrow(/event type step.teleported version 1 is not known$/);
  });

  it('of nothing is refused', () => {
    expect(() => replayRun([])).toThrow(RangeError);
  });
});
