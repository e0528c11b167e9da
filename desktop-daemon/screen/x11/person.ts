import type { XEvent, XInput } from 'x11';
import { keysymOf } from '../../keys.js';
import type { PersonSign, Point } from '../screen.js';
import type { XConnection } from './connection.js';
import type { OwnInput } from './own-input.js';

/** Where the daemon has put the cursor; `moves` counts how often. */
export interface OwnCursor {
  readonly at: () => Point | undefined;
  readonly moves: () => number;
  /** A person has moved it: from here on it is expected to stay. */
  readonly leftAt: (at: Point) => void;
}

export interface PersonWatch {
  close(): void;
}

const LOOK_MS = 80;
/** A hand on the mouse moves it further than this, in pixels. */
const JITTER = 3;
const GENERIC_EVENT = 35;
const KEY_REPEAT = 1 << 16;

/**
 * Hears of input that is not the daemon's own. Of keys, buttons and the wheel XInput tells, whatever device they come of, and
 * what the daemon has pressed itself is left out; of the cursor it is looked whether it is where the daemon has left it.
 */
export async function watchPerson(
  x: XConnection,
  own: OwnInput,
  cursor: OwnCursor,
  { hotkey, heard }: { hotkey: readonly string[]; heard: (sign: PersonSign) => void },
): Promise<PersonWatch> {
  const xinput = await x.extension<XInput>('xinput');
  const chord = await codesOf(x, hotkey);
  const down = new Set<number>();
  const virtual = xinput ? await virtualDevices(x, xinput) : new Set<number>();

  function onKey(event: XEvent, pressed: boolean): void {
    const code = event.detail!;
    if (!pressed) return void down.delete(code);
    if ((event.flags ?? 0) & KEY_REPEAT) return;
    if (virtual.has(event.sourceId!) && own.isOwn('key', code)) return;
    down.add(code);
    const isChord = chord.length > 0 && chord.every((codes) => codes.some((each) => down.has(each)));
    heard(isChord ? 'hotkey' : 'keyboard');
  }
  const onEvent = (event: XEvent): void => {
    if (event.type !== GENERIC_EVENT) return;
    if (event.name === 'XIRawKeyPress' || event.name === 'XIRawKeyRelease')
      return onKey(event, event.name === 'XIRawKeyPress');
    if (event.name === 'XIRawMotion') {
      // A program's own is looked for where the cursor is.
      if (!virtual.has(event.sourceId!)) heard('mouse');
      return;
    }
    if (event.name === 'XIRawButtonPress') {
      if (!(virtual.has(event.sourceId!) && own.isOwn('button', event.detail!))) heard('mouse');
    }
  };
  if (xinput?.xi2) {
    x.client.on('event', onEvent);
    const mask = ['RawKeyPress', 'RawKeyRelease', 'RawButtonPress', 'RawMotion'];
    xinput.XISelectEvents(x.root, [{ deviceId: xinput.AllMasterDevices, mask }]);
  }

  async function look(): Promise<void> {
    const moves = cursor.moves();
    const at = await x.ask<{ rootX: number; rootY: number }>((client, answer) =>
      client.QueryPointer(x.root, answer),
    );
    const expected = cursor.at();
    // The daemon has moved it meanwhile: what was seen is out of date.
    if (moves !== cursor.moves()) return;
    const now = { x: at.rootX, y: at.rootY };
    if (expected && Math.hypot(now.x - expected.x, now.y - expected.y) <= JITTER) return;
    cursor.leftAt(now);
    if (expected) heard(now.x <= 1 && now.y <= 1 ? 'corner' : 'mouse');
  }
  const timer = setInterval(() => {
    own.forgetOld();
    look().catch(() => undefined);
  }, LOOK_MS);
  return {
    close: () => {
      clearInterval(timer);
      x.client.removeListener('event', onEvent);
    },
  };
}

/** Devices that programs put input in by: a press of theirs may be the daemon's own. */
async function virtualDevices(x: XConnection, xinput: XInput): Promise<Set<number>> {
  const devices = await x.ask<{ id: number; name: string }[]>((_, answer) => xinput.ListInputDevices(answer));
  return new Set(devices.filter(({ name }) => /XTEST/i.test(name)).map(({ id }) => id));
}

/** For each key of a chord the codes that it may have, left and right. */
async function codesOf(x: XConnection, keys: readonly string[]): Promise<number[][]> {
  const { first, last } = x.keyCodes;
  const rows = await x.ask<number[][]>((client, answer) =>
    client.GetKeyboardMapping(first, last - first + 1, answer),
  );
  return keys.map((key) => {
    const wanted = new Set([
      keysymOf(key),
      keysymOf(`${key}_right`.replace(/^(?!ctrl|shift|alt|meta).*$/, key)),
    ]);
    return rows.flatMap((row, index) => (row.some((keysym) => wanted.has(keysym)) ? [first + index] : []));
  });
}
