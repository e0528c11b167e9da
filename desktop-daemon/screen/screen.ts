import type { DesktopErrorBody } from '#events/desktop.js';

export interface Point {
  readonly x: number;
  readonly y: number;
}
export interface Size {
  readonly width: number;
  readonly height: number;
}
export type Region = Point & Size;
export type Button = 'left' | 'right' | 'middle';

/** A picture to be taken, in pixels of the screen; `scale` makes it smaller. */
export interface Capture {
  readonly region?: Region | undefined;
  readonly format: 'png' | 'jpeg';
  readonly quality?: number | undefined;
  /** Size that the picture is to have. */
  readonly size?: Size | undefined;
  /** Grey, with a white border of so many pixels on all sides: letters are read best so. */
  readonly greyWithBorder?: number | undefined;
}
export interface Shot extends Size {
  readonly mediaType: 'image/png' | 'image/jpeg';
  readonly data: Uint8Array;
}

/** What a window is. `x y width height` with its frame, `content` without. */
export interface WindowFacts extends Region {
  readonly id: number;
  readonly title: string;
  readonly app: string;
  readonly pid: number | undefined;
  readonly active: boolean;
  readonly content: Region;
}

/** What a person was noticed by. */
export type PersonSign = 'mouse' | 'keyboard' | 'corner' | 'hotkey';

/** A look for something on the screen. */
export interface PixelLook extends Point {
  readonly color: string;
  readonly tolerance: number;
}
export interface ImageLook {
  readonly image: Uint8Array;
  readonly similarity: number;
  readonly region?: Region | undefined;
}

/**
 * The one door to the screen, the mouse and the keyboard. Places are pixels of the screen and are inside it; keys are known.
 * Everything rejects with a DeskError. What is pressed stays down until it is released.
 */
export interface Screen {
  readonly size: () => Promise<Size>;
  readonly displays: () => Promise<readonly Region[]>;
  readonly isLocked: () => Promise<boolean>;
  readonly capture: (capture: Capture) => Promise<Shot>;
  readonly pixelIs: (look: PixelLook) => Promise<boolean>;
  /** Where a picture is to be seen: its top left corner. */
  readonly findImage: (look: ImageLook) => Promise<Region | undefined>;
  readonly cursor: () => Promise<Point>;
  readonly move: (to: Point) => Promise<void>;
  readonly press: (button: Button) => Promise<void>;
  readonly release: (button: Button) => Promise<void>;
  /** Turns of the wheel, to the right and down. */
  readonly wheel: (dx: number, dy: number) => Promise<void>;
  readonly pressKeys: (keys: readonly string[]) => Promise<void>;
  readonly releaseKeys: (keys: readonly string[]) => Promise<void>;
  /** Stops between two letters when the signal is aborted. */
  readonly type: (text: string, paceMs: number, signal: AbortSignal) => Promise<void>;
  readonly readClipboard: () => Promise<string>;
  readonly setClipboard: (text: string) => Promise<void>;
  /** Has a text in the clipboard while keys are pressed, until a program has asked for it. */
  readonly pasteWith: (text: string, keys: readonly string[], signal: AbortSignal) => Promise<void>;
  readonly windows: () => Promise<readonly WindowFacts[]>;
  readonly focusWindow: (id: number) => Promise<void>;
  readonly moveWindow: (id: number, to: Point) => Promise<void>;
  readonly resizeWindow: (id: number, size: Size) => Promise<void>;
  readonly closeWindow: (id: number) => Promise<void>;
  /** Hears of input that this daemon has not made. */
  readonly onPerson: (heard: (sign: PersonSign) => void) => void;
  readonly close: () => Promise<void>;
}

/** A screen, or why there is none. */
export type ScreenState = { readonly size: Size } | { readonly problem: DesktopErrorBody };
