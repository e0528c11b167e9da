import { DeskError } from '../errors.js';
import { pause } from '../pause.js';
import type { DesktopActionArgs } from '#events/actions/desktop.js';
import type { Json } from '#events/shapes.js';
import type { Act, Desk } from './act.js';
import { matching } from './find-window.js';

const TIMEOUT_MS = 15_000;
const LOOK_MS = 100;
/** Reading takes a processor for a good part of a second. */
const READ_MS = 400;
const SIMILARITY = 0.97;
const TOLERANCE = 8;

type Wait = DesktopActionArgs<'wait'>;

/** Waits for a time, or until the screen shows something, or no longer. */
export const wait: Act<'wait'> = async (desk, args) => {
  if (args.ms !== undefined) return pause(args.ms, desk.signal);
  const look = lookFor(desk, args);
  const deadline = performance.now() + (args.timeoutMs ?? TIMEOUT_MS);
  for (;;) {
    const seen = await look();
    if ((seen !== undefined) !== (args.gone === true)) return { result: seen ?? {} };
    if (performance.now() > deadline) throw new DeskError('not-seen', whatFailed(args));
    await pause(args.text === undefined ? LOOK_MS : READ_MS, desk.signal);
  }
};

/** What is looked at again and again: where it is to be seen, or nothing. */
function lookFor(desk: Desk, { pixel, image, text, window, region }: Wait): () => Promise<Json | undefined> {
  const part = region && desk.regionToScreen(region);
  if (pixel) {
    const { color, tolerance = TOLERANCE } = pixel;
    const at = desk.toScreen(pixel);
    return async () => ((await desk.screen.pixelIs({ ...at, color, tolerance })) ? {} : undefined);
  }
  if (image) {
    if (!desk.image)
      throw new DeskError('bad-argument', 'the picture to look for did not come with the command');
    const look = { image: desk.image, similarity: image.similarity ?? SIMILARITY, region: part };
    return async () => {
      const found = await desk.screen.findImage(look);
      return found && desk.toFrame({ ...found });
    };
  }
  if (window)
    return async () => {
      const [found] = matching(await desk.screen.windows(), window);
      return found && { id: found.id };
    };
  return async () => {
    const { lines } = await desk.ocr.read(desk.screen, part, desk.signal);
    const found = lines.find((line) => plain(line.text).includes(plain(text!)));
    return found && desk.toFrame({ x: found.x, y: found.y, width: found.width, height: found.height });
  };
}

/** OCR is not sure of spaces and capitals. */
const plain = (text: string): string => text.toLowerCase().replaceAll(/\s+/g, '');

function whatFailed({ pixel, image, text, gone }: Wait): string {
  const what = pixel ? 'the colour' : image ? 'the picture' : text === undefined ? 'the window' : 'the text';
  return gone ? `${what} is still to be seen` : `${what} was not to be seen in time`;
}
