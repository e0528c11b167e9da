import sharp from 'sharp';
import { DeskError } from '../errors.js';
import type { Capture, Region, Shot, Size } from './screen.js';

/** Red, green and blue of every pixel, line by line. */
export interface Pixels extends Size {
  readonly data: Uint8Array;
}

// One screen is encoded at a time, and is of no use twice.
sharp.cache(false);
sharp.concurrency(1);

const JPEG_QUALITY = 75;
/** Fast, and for screens almost as small as the slow ones. */
const PNG_EFFORT = 3;

/** A picture as a PNG or a JPEG, in the size that is asked for. */
export async function encode(
  pixels: Pixels,
  { format, quality, size, greyWithBorder }: Capture,
): Promise<Shot> {
  const { width, height, data } = pixels;
  const whole = sharp(data, { raw: { width, height, channels: 3 } });
  const fitting =
    size && (size.width !== width || size.height !== height) ? whole.resize({ ...size, fit: 'fill' }) : whole;
  const border = greyWithBorder ?? 0;
  const sides = { top: border, bottom: border, left: border, right: border };
  const shown = border > 0 ? fitting.extend({ ...sides, background: 'white' }).greyscale() : fitting;
  const encoded =
    format === 'png'
      ? shown.png({ compressionLevel: PNG_EFFORT })
      : shown.jpeg({ quality: quality ?? JPEG_QUALITY });
  const { data: bytes, info } = await encoded.toBuffer({ resolveWithObject: true });
  return { mediaType: `image/${format}`, width: info.width, height: info.height, data: bytes };
}

/** Where a picture is to be seen among pixels; `region` is where those are on the screen. */
export async function find(
  image: Uint8Array,
  pixels: Pixels,
  { similarity, region }: { similarity: number; region?: Region | undefined },
): Promise<Region | undefined> {
  const { data, info } = await sharp(image)
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch(() => {
      throw new DeskError('bad-argument', 'the picture to look for cannot be read');
    });
  if (info.channels !== 3) throw new DeskError('bad-argument', 'the picture to look for has no colours');
  const found = place({ data, width: info.width, height: info.height }, pixels, similarity);
  if (!found) return undefined;
  const { x = 0, y = 0 } = region ?? {};
  return { x: found.x + x, y: found.y + y, width: info.width, height: info.height };
}

/** The first place, from the top, where the mean difference of all channels is small enough. */
function place(part: Pixels, whole: Pixels, similarity: number): { x: number; y: number } | undefined {
  const most = Math.round((1 - similarity) * 255 * part.data.length);
  const probes = probesOf(part);
  const mostOfProbes = (1 - similarity) * 255 * 3 * 2 + 24;
  for (let y = 0; y + part.height <= whole.height; y++) {
    for (let x = 0; x + part.width <= whole.width; x++) {
      if (!isPromising(x, y)) continue;
      if (difference(part, whole, x, y, most) <= most) return { x, y };
    }
  }
  return undefined;

  /** A few pixels tell of almost every place that it is not the one. */
  function isPromising(x: number, y: number): boolean {
    for (const [px, py] of probes) {
      const a = (py * part.width + px) * 3;
      const b = ((y + py) * whole.width + x + px) * 3;
      const off =
        Math.abs(part.data[a]! - whole.data[b]!) +
        Math.abs(part.data[a + 1]! - whole.data[b + 1]!) +
        Math.abs(part.data[a + 2]! - whole.data[b + 2]!);
      if (similarity > 0.9 && off > mostOfProbes) return false;
    }
    return true;
  }
}

/** Corners, and the pixels that differ most from the one before. */
function probesOf({ width, height, data }: Pixels): (readonly [number, number])[] {
  const edges: { at: readonly [number, number]; step: number }[] = [];
  for (let y = 0; y < height; y++)
    for (let x = 1; x < width; x++) {
      const at = (y * width + x) * 3;
      const step = Math.abs(data[at]! - data[at - 3]!) + Math.abs(data[at + 1]! - data[at - 2]!);
      if (step > 60) edges.push({ at: [x, y], step });
    }
  const strongest = edges
    .sort((left, right) => right.step - left.step)
    .slice(0, 6)
    .map(({ at }) => at);
  return [[0, 0], [width - 1, height - 1], ...strongest];
}

function difference(part: Pixels, whole: Pixels, x: number, y: number, most: number): number {
  let sum = 0;
  for (let row = 0; row < part.height; row++) {
    let a = row * part.width * 3;
    let b = ((y + row) * whole.width + x) * 3;
    for (const end = a + part.width * 3; a < end; a++, b++) sum += Math.abs(part.data[a]! - whole.data[b]!);
    if (sum > most) return sum;
  }
  return sum;
}
