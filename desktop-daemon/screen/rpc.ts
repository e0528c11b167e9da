import type { DesktopErrorBody } from '#events/desktop.js';
import type { PersonSign, Screen, Size } from './screen.js';

/** What the daemon says to its screen process. */
export type ToScreen =
  | { readonly id: number; readonly call: ScreenCall; readonly args: readonly unknown[] }
  | { readonly abort: number }
  | { readonly close: true };

/** What the screen process says. The first message is `ready` or `problem`. */
export type FromScreen =
  | { readonly ready: Size }
  | { readonly problem: DesktopErrorBody }
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: DesktopErrorBody }
  | { readonly person: PersonSign };

export type ScreenCall = Exclude<keyof Screen, 'onPerson' | 'close'>;
