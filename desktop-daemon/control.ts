import type { DesktopControl, DesktopLease } from '#events/desktop.js';
import { DeskError } from './errors.js';
import type { PersonSign } from './screen/screen.js';

export interface ControlSettings {
  /** How long a lease holds without a command of its run. */
  readonly leaseMs: number;
  /** How long a person must have been still before a run may begin. */
  readonly quietMs: number;
  readonly now?: () => number;
  /** Called when the controls change hands. What is under way must stop when they are a run's no longer. */
  readonly onChange: (control: DesktopControl) => void;
}

/** Who has the mouse and the keyboard: one run at a time, a person before every run, nobody after the kill switch. */
export interface Control {
  readonly current: () => DesktopControl;
  acquire(lease: DesktopLease, ttlMs?: number): DesktopControl;
  /** Prolongs a lease that is in force; unlike `acquire` it takes nothing. */
  renew(lease: DesktopLease, ttlMs?: number): DesktopControl;
  /** Throws unless the lease is the one in force. A command keeps it alive. */
  require(lease: DesktopLease | undefined): void;
  release(lease: DesktopLease): DesktopControl;
  person(sign: PersonSign): void;
  stop(by: 'command'): DesktopControl;
  handBack(): DesktopControl;
  close(): void;
}

/** Fences of runs that are remembered. */
const MOST_FENCES = 1000;
/** The way of a hand into the corner is noticed before its end. */
const TO_CORNER_MS = 2_000;

export function createControl({ leaseMs, quietMs, now = Date.now, onChange }: ControlSettings): Control {
  let control: DesktopControl = { state: 'free' };
  let expiresAt = 0;
  let ttl = leaseMs;
  let lastSign = -Infinity;
  let personSince = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  const fences = new Map<string, DesktopLease>();

  function become(next: DesktopControl): DesktopControl {
    control = next;
    if (next.state !== 'run') clearTimeout(timer);
    onChange(next);
    return next;
  }

  /** Whoever is silent for too long is gone: what it holds down is let go of without anybody's asking. */
  function keepAlive(ttlMs: number): void {
    ttl = ttlMs;
    expiresAt = now() + ttl;
    clearTimeout(timer);
    timer = setTimeout(expire, ttl + 1).unref();
  }

  function expire(): void {
    if (control.state === 'run' && now() >= expiresAt) become({ state: 'free' });
  }

  /** Whoever was fenced off once stays so, also after the desktop has been another's. */
  function fence(lease: DesktopLease): void {
    const known = fences.get(lease.run);
    if (known && (lease.epoch < known.epoch || lease.control < known.control))
      throw new DeskError('stale-lease', 'a later owner of this run has been here');
    fences.delete(lease.run);
    fences.set(lease.run, lease);
    if (fences.size > MOST_FENCES) fences.delete(fences.keys().next().value!);
  }

  /** A person gives a run back by handing back its controls: then it comes with a higher number. */
  const isGivenBack = (lease: DesktopLease): boolean =>
    control.lease?.run === lease.run && lease.control > control.lease.control;

  function refuseOthers(lease: DesktopLease): void {
    if (control.state === 'stopped') throw new DeskError('stopped', 'the kill switch was used');
    if (control.state === 'person' && !isGivenBack(lease))
      throw new DeskError('person-at-controls', 'a person is at the controls');
    if (control.state === 'run' && control.lease!.run !== lease.run)
      throw new DeskError('busy', 'another run has the desktop');
    if (control.state === 'free' && now() - lastSign < quietMs)
      throw new DeskError('person-at-controls', 'a person was at the mouse or the keyboard a moment ago');
  }

  function requireLease(lease: DesktopLease | undefined): void {
    expire();
    if (!lease) throw new DeskError('no-lease', 'an action that does something needs the lease of a run');
    if (control.state === 'free')
      throw new DeskError('no-lease', 'the desktop was not acquired, or its lease ran out');
    refuseOthers(lease);
    if (control.state !== 'run' || !sameLease(control.lease!, lease))
      throw new DeskError('stale-lease', 'this lease is not the one in force');
    keepAlive(ttl);
  }

  return {
    current: () => {
      expire();
      return control;
    },
    acquire: (lease, ttlMs = leaseMs) => {
      expire();
      refuseOthers(lease);
      fence(lease);
      const same = control.state === 'run' && sameLease(control.lease!, lease);
      keepAlive(ttlMs);
      return same ? control : become({ state: 'run', lease });
    },
    require: (lease) => requireLease(lease),
    renew: (lease, ttlMs = leaseMs) => {
      requireLease(lease);
      keepAlive(ttlMs);
      return control;
    },
    release: (lease) => {
      expire();
      const held = control.lease;
      const isHolder = held?.run === lease.run && lease.epoch >= held.epoch && lease.control >= held.control;
      if (control.state === 'run' && isHolder) return become({ state: 'free' });
      // The run has ended: what its person does here belongs to no run any more.
      if (control.state === 'person' && isHolder) return become({ state: 'person', ...byOf(control) });
      return control;
    },
    person: (sign) => {
      lastSign = now();
      expire();
      if (control.state === 'stopped') return;
      const onTheWay = control.state === 'person' && now() - personSince < TO_CORNER_MS;
      const kills = sign === 'hotkey' || (sign === 'corner' && (control.state === 'run' || onTheWay));
      if (kills) become({ state: 'stopped', ...leaseOf(control), by: sign });
      else if (control.state === 'run') {
        personSince = now();
        become({ state: 'person', ...leaseOf(control), by: sign });
      }
    },
    stop: (by) =>
      control.state === 'stopped' ? control : become({ state: 'stopped', ...leaseOf(control), by }),
    handBack: () => {
      lastSign = -Infinity;
      // Said also when it is free: whoever has not heard of it hears it now.
      return control.state === 'run' ? control : become({ state: 'free', ...leaseOf(control) });
    },
    close: () => clearTimeout(timer),
  };
}

const sameLease = (left: DesktopLease, right: DesktopLease): boolean =>
  left.run === right.run && left.epoch === right.epoch && left.control === right.control;
const leaseOf = ({ lease }: DesktopControl): Pick<DesktopControl, 'lease'> => (lease ? { lease } : {});
const byOf = ({ by }: DesktopControl): Pick<DesktopControl, 'by'> => (by ? { by } : {});
