import { randomUUID } from 'node:crypto';
import type { Json } from '#events/shapes.js';
import { fail } from '../../failures/failures.js';
import { sha256 } from '../../log/hash-chain.js';
import type { LiveFrame, LiveInput, LiveView, PersonStep } from '../live-view.js';
import { bytesOf } from './act-once.js';
import type { Seat } from './seat.js';

/** Pictures a second at most: as many as a daemon makes besides its work. */
const EVERY_MS = 150;
const QUALITY = 65;
/** Pixels that a wheel moves by one turn, in the browsers that people look on with. */
const TURN_PX = 100;

/** Shows the desktop of a run, whenever something on it has changed. */
export function watchDesktop(seatOf: () => Seat | undefined, show: (frame: LiveFrame) => void): LiveView {
  const closed = new AbortController();
  let shown = '';

  async function look(): Promise<void> {
    const seat = seatOf();
    if (!seat) return void (shown = '');
    const command = {
      v: 1,
      id: randomUUID(),
      action: { screenshot: { format: 'jpeg', quality: QUALITY } },
    } as const;
    const answer = await seat.link.act(command, closed.signal);
    if (!answer.ok || !answer.image) return;
    const { width, height } = answer.image;
    const image = bytesOf(answer.image);
    const print = sha256(image);
    if (print !== shown && !closed.signal.aborted) show({ image, width, height });
    shown = print;
  }

  const watching = (async () => {
    while (!closed.signal.aborted) {
      await look().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  })();
  return {
    close: async () => {
      closed.abort();
      await watching;
    },
  };
}

/** What a person does to the picture of a desktop, as a script. */
export function personStep(input: LiveInput): PersonStep {
  const script = (...actions: Json[]): PersonStep => ({ do: 'desktop.script', with: { actions } });
  switch (input.input) {
    case 'click':
      return script({ click: { at: placeOf(input), button: input.button } });
    case 'doubleClick':
      return script({ click: { at: placeOf(input), count: 2 } });
    case 'type':
      return script({ type: { text: input.text } });
    case 'key':
      return script(keyOf(input.key));
    case 'scroll':
      return script({ scroll: { at: placeOf(input), dx: turns(input.dx), dy: turns(input.dy) } });
    case 'back':
      return script({ hotkey: { keys: ['alt', 'left'] } });
    case 'forward':
      return script({ hotkey: { keys: ['alt', 'right'] } });
    case 'reload':
      return script({ key: { key: 'f5' } });
    case 'open':
      throw fail('bad-arguments', 'a desktop has no address line: open a browser on it first');
  }
}

const placeOf = ({ x, y }: { x: number; y: number }) => ({ x: Math.floor(x), y: Math.floor(y) });
const turns = (pixels: number): number =>
  Math.max(-100, Math.min(100, Math.sign(pixels) * Math.ceil(Math.abs(pixels) / TURN_PX)));

/** `Control+A`, as browsers name keys. */
function keyOf(name: string): Json {
  const keys = name.split(/\+(?!$)/);
  return keys.length > 1 ? { hotkey: { keys } } : { key: { key: name } };
}
