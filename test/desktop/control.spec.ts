import { describe, expect, it } from '@jest/globals';
import type { DesktopControl, DesktopLease } from '#events/desktop.js';
import { createControl } from '../../desktop-daemon/control.js';
import { DeskError } from '../../desktop-daemon/errors.js';

const lease = (run: string, epoch = 1, control = 0): DesktopLease => ({ run, epoch, control });

function given(quietMs = 0) {
  let time = 1_000;
  const states: DesktopControl['state'][] = [];
  const control = createControl({
    leaseMs: 100,
    quietMs,
    now: () => time,
    onChange: ({ state }) => states.push(state),
  });
  const code = (work: () => unknown): string => {
    try {
      work();
      return 'ok';
    } catch (error) {
      return error instanceof DeskError ? error.code : 'fault';
    }
  };
  return { control, states, code, pass: (ms: number) => (time += ms) };
}

describe('the controls of a desktop', () => {
  it('are one run’s at a time', () => {
    const { control, code } = given();
    control.acquire(lease('a'));
    expect(code(() => control.acquire(lease('b')))).toBe('busy');
    control.release(lease('a'));
    expect(code(() => control.acquire(lease('b')))).toBe('ok');
  });

  it.each([
    ['epoch', lease('a', 1, 5)],
    ['taking', lease('a', 9, 4)],
  ])('are refused to an older %s, also after they have been another’s', (_what, old) => {
    const { control, code } = given();
    control.acquire(lease('a', 2, 5));
    expect(code(() => control.require(old))).toBe('stale-lease');
    control.release(lease('a', 2, 5));
    control.acquire(lease('b'));
    control.release(lease('b'));
    expect(code(() => control.acquire(old))).toBe('stale-lease');
  });

  it('are not let go of by an older owner', () => {
    const { control } = given();
    control.acquire(lease('a', 2));
    control.release(lease('a', 1));
    expect(control.current()).toMatchObject({ state: 'run' });
  });

  it('end after a silence, and are prolonged by a command and by a renewal, which takes nothing', () => {
    const { control, code, pass } = given();
    control.acquire(lease('a'));
    pass(90);
    control.require(lease('a'));
    pass(90);
    control.renew(lease('a'), 50);
    pass(60);
    expect(code(() => control.require(lease('a')))).toBe('no-lease');
    expect(code(() => control.renew(lease('a')))).toBe('no-lease');
    expect(control.current()).toEqual({ state: 'free' });
  });

  it('are a person’s as soon as one is noticed, until a later taking of the run or a hand back', () => {
    const { control, code } = given();
    control.acquire(lease('a', 1, 3));
    control.person('mouse');
    expect(code(() => control.require(lease('a', 1, 3)))).toBe('person-at-controls');
    expect(code(() => control.acquire(lease('a', 7, 3)))).toBe('person-at-controls');
    expect(code(() => control.acquire(lease('b', 7, 9)))).toBe('person-at-controls');
    expect(code(() => control.acquire(lease('a', 1, 4)))).toBe('ok');
    control.person('keyboard');
    expect(control.handBack()).toMatchObject({ state: 'free', lease: lease('a', 1, 4) });
    expect(code(() => control.acquire(lease('b')))).toBe('ok');
  });

  it('belong to no run any more when the run of a person ends', () => {
    const { control } = given();
    control.acquire(lease('a'));
    control.person('mouse');
    control.release(lease('a'));
    expect(control.current()).toEqual({ state: 'person', by: 'mouse' });
  });

  it('are given to no run while a person was there a moment ago', () => {
    const { control, code, pass } = given(3000);
    control.person('mouse');
    expect(code(() => control.acquire(lease('a')))).toBe('person-at-controls');
    pass(3001);
    expect(code(() => control.acquire(lease('a')))).toBe('ok');
  });

  it.each([
    ['the chord', (control: ReturnType<typeof given>['control']) => control.person('hotkey')],
    ['a command', (control: ReturnType<typeof given>['control']) => void control.stop('command')],
    [
      'a hand that goes into the corner',
      (control: ReturnType<typeof given>['control']) => {
        control.person('mouse');
        control.person('corner');
      },
    ],
  ])('are nobody’s after the kill switch, by %s, until they are handed back', (_how, kill) => {
    const { control, code, pass } = given();
    control.acquire(lease('a'));
    kill(control);
    pass(1_000_000);
    expect(control.current().state).toBe('stopped');
    expect(code(() => control.acquire(lease('a', 9, 9)))).toBe('stopped');
    control.handBack();
    expect(code(() => control.acquire(lease('a', 9, 9)))).toBe('ok');
  });

  it('are not stopped by a cursor in the corner while no run has them', () => {
    const { control } = given();
    control.person('corner');
    expect(control.current().state).toBe('free');
  });

  it('are told of again when somebody hands back what is free', () => {
    const { control, states } = given();
    control.handBack();
    expect(states).toEqual(['free']);
  });
});
