import { describe, expect, it } from '@jest/globals';
import type { NewEvent } from '#events/catalog.js';
import { given } from './given.js';
import * as a from './samples.js';

const one = a.withSteps([a.unsafeStep('type', { retry: { max: 1, backoffMs: 10 } })]);
const PROGRESS = { digest: '0'.repeat(64), bytes: 2, path: 'artifacts/0.json' };
const suspended = (attempt = 1): NewEvent =>
  a.event('step.suspended', { stepId: 'type', attempt, progress: PROGRESS });
const begun = () => given(one, a.started(), a.intended('type'));

describe('a step that is suspended', () => {
  it('lets its run come to rest, and says its intent anew before it goes on from where it stood', () => {
    const pausing = begun().and(a.pauseRequested());
    expect(pausing.effects()).toEqual(['execute:type:1', 'pause:1']);
    const quiet = pausing.when(a.record(suspended())).then(suspended());
    expect(quiet.effects()).toEqual(['pause:1']);
    expect(quiet.snapshot.context.steps[0]).toMatchObject({
      state: 'running',
      intent: false,
      progress: PROGRESS,
    });
    const on = quiet.and(a.paused(), a.resumed());
    expect(on.effects()).toEqual(['intend:type:1']);
    expect(on.and(a.intended('type')).effects()).toEqual(['execute:type:1']);
  });

  it('goes on at once when nobody wants a pause any more', () => {
    const on = begun().when(a.record(suspended())).then(suspended());
    expect(on.status()).toBe('executing');
    expect(on.effects()).toEqual(['intend:type:1']);
  });

  it('is not in doubt when its owner dies before it goes on, and is when it dies after', () => {
    const rests = begun().and(suspended());
    expect(rests.and(a.recovered(2)).effects()).toEqual(['intend:type:1']);
    expect(rests.and(a.intended('type'), a.recovered(2)).effects()).toEqual(['note-doubt:type:1']);
  });

  it('begins from the start with its next attempt', () => {
    const again = begun().and(suspended(), a.intended('type'), a.retried('type', 2));
    expect(again.snapshot.context.steps[0]).toMatchObject({ attempt: 2, progress: null });
  });

  it.each([
    ['of another attempt', suspended(2)],
    ['of another step', a.event('step.suspended', { stepId: 'other', attempt: 1, progress: PROGRESS })],
  ])('is not one %s', (_which, event) => {
    begun()
      .when(a.record(event))
      .thenRefused({ state: 'executing', legal: ['pause', 'cancel'] });
  });
});
