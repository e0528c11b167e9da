import { namedAction, READ_ONLY_DESKTOP_ACTIONS, type DesktopAction } from '#events/actions/desktop.js';
import type {
  DesktopAnswer,
  DesktopCommand,
  DesktopControl,
  DesktopControlCommand,
  DesktopErrorBody,
} from '#events/desktop.js';
import type { Desk, Done } from './actions/act.js';
import { acts } from './actions/acts.js';
import type { Apps } from './apps.js';
import { createControl, type Control, type ControlSettings } from './control.js';
import { asDeskError, DeskError } from './errors.js';
import type { Folders } from './folders.js';
import { createHeld } from './held.js';
import type { Ocr } from './ocr.js';
import { placesOn } from './places.js';
import type { Screen, ScreenState } from './screen/screen.js';

/** What needs no screen to be unlocked: it neither shows nor does anything. */
const NEEDS_NO_SIGHT: ReadonlySet<string> = new Set(['displays', 'cursor', 'files']);

export interface DeskSettings extends Pick<ControlSettings, 'leaseMs' | 'quietMs'> {
  readonly screen: Screen & { readonly state: () => Promise<ScreenState> };
  readonly apps: Apps;
  readonly folders: Folders;
  readonly ocr: Ocr;
  readonly report: (line: string) => void;
}

/** A desktop: does one action at a time, for whoever has the controls. */
export interface Workplace {
  act(command: DesktopCommand, signal: AbortSignal): Promise<DesktopAnswer>;
  /** Stops what was begun under an id. */
  cancel(id: string): void;
  control(command: DesktopControlCommand): DesktopControl;
  readonly current: () => DesktopControl;
  readonly screen: () => Promise<ScreenState>;
  onControl(heard: (control: DesktopControl) => void): () => void;
  close(): Promise<void>;
}

export function createWorkplace({
  screen,
  apps,
  folders,
  ocr,
  report,
  leaseMs,
  quietMs,
}: DeskSettings): Workplace {
  const held = createHeld(screen);
  const parts = { screen, held, apps, folders, ocr };
  const listeners = new Set<(control: DesktopControl) => void>();
  const byId = new Map<string, AbortController>();
  /** Aborted when whoever acts now must stop: the controls have changed hands. */
  let turn = new AbortController();
  let queue: Promise<unknown> = Promise.resolve();

  const control = createControl({
    leaseMs,
    quietMs,
    onChange: (now) => {
      stopActing(now.state);
      for (const heard of listeners) tell(heard, now);
    },
  });
  /** Who listens must not hinder the others, nor what has happened. */
  function tell(heard: (control: DesktopControl) => void, now: DesktopControl): void {
    try {
      heard(now);
    } catch {
      report('somebody who listens could not be told who has the controls');
    }
  }
  screen.onPerson((sign) => control.person(sign));

  /** No key stays down when somebody else is to act. */
  function stopActing(why: string): void {
    turn.abort(stoppedBy(why));
    turn = new AbortController();
    held
      .releaseAll()
      .catch((error: unknown) => report(`keys could not be released: ${asDeskError(error).code}`));
  }

  /** One action after the other; those that only look wait for none. */
  async function inTurn(command: DesktopCommand, signal: AbortSignal): Promise<Done> {
    const { name } = namedAction(command.action);
    if (READ_ONLY_DESKTOP_ACTIONS.has(name)) return perform(parts, command, signal);
    control.require(command.lease);
    const mine = queue.then(async () => {
      // What waited for its turn may have lost the controls meanwhile.
      control.require(command.lease);
      const mineNow = turn.signal;
      try {
        return await perform(parts, command, AbortSignal.any([signal, mineNow]));
      } catch (error) {
        throw mineNow.aborted ? stopped(error, mineNow.reason) : error;
      }
    });
    queue = mine.catch(() => undefined);
    return mine;
  }

  async function act(command: DesktopCommand, signal: AbortSignal): Promise<DesktopAnswer> {
    const from = performance.now();
    const cancel = new AbortController();
    if (command.id !== undefined) byId.set(command.id, cancel);
    const stop = AbortSignal.any([signal, cancel.signal]);
    try {
      return answerOf(await inTurn(command, stop), performance.now() - from);
    } catch (error) {
      return { ok: false, error: told(stop.aborted ? stopped(error, stop.reason) : error, report) };
    } finally {
      if (command.id !== undefined) byId.delete(command.id);
    }
  }

  return {
    act,
    cancel: (id) => byId.get(id)?.abort(new DeskError('canceled', 'it was asked to stop', false)),
    current: () => control.current(),
    screen: () => screen.state(),
    onControl: (heard) => {
      listeners.add(heard);
      return () => void listeners.delete(heard);
    },
    control: (command) => obey(control, command, () => stopActing('halt')),
    close: async () => {
      control.close();
      turn.abort(new DeskError('canceled', 'the daemon is stopping', false));
      await held.releaseAll().catch(() => undefined);
      await screen.close();
    },
  };
}

function obey(control: Control, command: DesktopControlCommand, halt: () => void): DesktopControl {
  switch (command.do) {
    case 'acquire':
      return control.acquire(command.lease, command.ttlMs);
    case 'renew':
      return control.renew(command.lease, command.ttlMs);
    case 'release':
      return control.release(command.lease);
    case 'halt':
      control.require(command.lease);
      halt();
      return control.current();
    case 'look':
      return control.current();
    case 'stop':
      return control.stop('command');
    case 'handback':
      return control.handBack();
  }
}

async function perform(
  parts: Pick<Desk, 'screen' | 'held' | 'apps' | 'folders' | 'ocr'>,
  { action, frame, image }: DesktopCommand,
  signal: AbortSignal,
): Promise<Done> {
  const { screen } = parts;
  const { name, args } = namedAction(action);
  if (!NEEDS_NO_SIGHT.has(name) && (await screen.isLocked()))
    throw new DeskError('screen-locked', 'the screen is locked');
  if (signal.aborted) throw notBegun(signal.reason);
  const size = await screen.size();
  const places = placesOn(size, frame);
  const desk: Desk = {
    ...parts,
    signal,
    image: image === undefined ? undefined : Buffer.from(image, 'base64'),
    size,
    ...places,
  };
  const act = acts[name] as (desk: Desk, args: DesktopAction['args']) => Promise<Done | void>;
  return (await act(desk, args)) ?? { result: {} };
}

/** It was to stop before it had begun. */
const notBegun = (reason: unknown): DeskError =>
  reason instanceof DeskError
    ? new DeskError(reason.code, reason.message)
    : new DeskError('canceled', 'it was asked to stop');

function answerOf({ result, image }: Done, elapsedMs: number): DesktopAnswer {
  const durationMs = Math.round(elapsedMs * 100) / 100;
  if (!image) return { ok: true, result, durationMs };
  const { data, ...facts } = image;
  return { ok: true, result, image: { ...facts, data: Buffer.from(data).toString('base64') }, durationMs };
}

function stoppedBy(why: string): DeskError {
  if (why === 'person') return new DeskError('person-at-controls', 'a person has taken the controls', false);
  if (why === 'stopped') return new DeskError('stopped', 'the kill switch was used', false);
  return new DeskError('canceled', 'it was asked to stop', false);
}

function told(error: unknown, report: (line: string) => void): DesktopErrorBody {
  // What went wrong inside may hold what was typed: its kind is told, and no more.
  if (!(error instanceof DeskError)) report(`fault: ${error instanceof Error ? error.name : 'unknown'}`);
  return asDeskError(error).body();
}

/** Who stopped it, and how far it had come. */
function stopped(error: unknown, reason: unknown): DeskError {
  const why = reason instanceof DeskError ? reason : new DeskError('canceled', 'it was asked to stop', false);
  if (!(error instanceof DeskError) || error === why) return why;
  return new DeskError(why.code, why.message, error.untouched, error.typed);
}
