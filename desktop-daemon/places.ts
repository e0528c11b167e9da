import type { DesktopFrame } from '#events/desktop.js';
import { DeskError } from './errors.js';
import type { Point, Region, Size } from './screen/screen.js';

/** Places as a script counts them, and as the screen does. */
export interface Places {
  readonly scale: { readonly x: number; readonly y: number };
  readonly toScreen: (at: Point) => Point;
  readonly regionToScreen: (region: Region) => Region;
  readonly toFrame: <T extends Partial<Region>>(place: T) => T;
}

/** `frame` is the size of the pictures that whoever acts gets to see; without one it is the screen's. */
export function placesOn(size: Size, frame: DesktopFrame | undefined): Places {
  const seen = frame ?? size;
  const scale = { x: seen.width / size.width, y: seen.height / size.height };
  const inside = ({ x, y }: Point) => x >= 0 && y >= 0 && x < seen.width && y < seen.height;
  const outside = (what: string) =>
    new DeskError('outside-screen', `${what} is outside of ${seen.width}×${seen.height}`);
  /** The pixel in whose middle the place lies: the last of a frame is the last of the screen. */
  const pixel = (value: number, share: number, most: number) =>
    Math.min(most - 1, share === 1 ? value : Math.floor((value + 0.5) / share));
  return {
    scale,
    toScreen: (at) => {
      if (!inside(at)) throw outside(`${at.x}, ${at.y}`);
      return { x: pixel(at.x, scale.x, size.width), y: pixel(at.y, scale.y, size.height) };
    },
    regionToScreen: ({ x, y, width, height }) => {
      if (!inside({ x, y }) || x + width > seen.width || y + height > seen.height)
        throw outside(`the region ${width}×${height} at ${x}, ${y}`);
      const left = Math.round(x / scale.x);
      const top = Math.round(y / scale.y);
      return {
        x: left,
        y: top,
        width: Math.max(1, Math.min(size.width - left, Math.round(width / scale.x))),
        height: Math.max(1, Math.min(size.height - top, Math.round(height / scale.y))),
      };
    },
    toFrame: (place) => ({
      ...place,
      ...(place.x !== undefined && { x: Math.floor(place.x * scale.x) }),
      ...(place.y !== undefined && { y: Math.floor(place.y * scale.y) }),
      ...(place.width !== undefined && { width: Math.round(place.width * scale.x) }),
      ...(place.height !== undefined && { height: Math.round(place.height * scale.y) }),
    }),
  };
}
