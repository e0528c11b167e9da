import type { DesktopActionArgs, DesktopActionName } from '#events/actions/desktop.js';
import type { Json } from '#events/shapes.js';
import type { Apps } from '../apps.js';
import type { Folders } from '../folders.js';
import type { Held } from '../held.js';
import type { Ocr } from '../ocr.js';
import type { Point, Region, Screen, Shot, Size } from '../screen/screen.js';

/** What an action gets to work with. Places in the frame that was declared become pixels of the screen here, and back. */
export interface Desk {
  readonly screen: Screen;
  readonly held: Held;
  readonly apps: Apps;
  readonly folders: Folders;
  readonly ocr: Ocr;
  readonly signal: AbortSignal;
  /** The picture that came with the command. */
  readonly image: Uint8Array | undefined;
  /** Throws when a place is outside. */
  readonly toScreen: (at: Point) => Point;
  readonly regionToScreen: (region: Region) => Region;
  readonly toFrame: <T extends Partial<Region>>(place: T) => T;
  /** Size of the screen, and how much smaller the frame is. */
  readonly size: Size;
  readonly scale: { readonly x: number; readonly y: number };
}

export interface Done {
  readonly result: Json;
  readonly image?: Shot;
}

/** How one action is done. */
export type Act<K extends DesktopActionName> = (
  desk: Desk,
  args: DesktopActionArgs<K>,
) => Promise<Done | void>;
