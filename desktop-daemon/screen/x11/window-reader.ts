import type { Geometry, Property } from 'x11';
import type { Region, WindowFacts } from '../screen.js';
import type { XConnection } from './connection.js';

const ANY_TYPE = 0;
const VIEWABLE = 2;
/** Longest property that is read, in units of 4 bytes. */
const MOST_UNITS = 65_536;

/** What the windows of an X server say of themselves (EWMH, ICCCM). */
export interface WindowReader {
  isManaged(): Promise<boolean>;
  activeId(): Promise<number | undefined>;
  /** In the order in which they lie upon each other, the lowest first. */
  ids(): Promise<number[]>;
  /** Nothing, when the window is gone. */
  factsOf(id: number, active: number | undefined): Promise<WindowFacts | undefined>;
}

export function createWindowReader(x: XConnection): WindowReader {
  async function property(window: number, name: string): Promise<Property | undefined> {
    const atom = await x.atom(name);
    const found = await x
      .ask<Property>((client, answer) => client.GetProperty(0, window, atom, ANY_TYPE, 0, MOST_UNITS, answer))
      .catch(() => undefined);
    return found && found.data.length > 0 ? found : undefined;
  }
  async function numbers(window: number, name: string): Promise<number[]> {
    const found = await property(window, name);
    if (!found) return [];
    return Array.from({ length: Math.floor(found.data.length / 4) }, (_, at) =>
      found.data.readUInt32LE(at * 4),
    );
  }
  const text = async (window: number, name: string, encoding: 'utf8' | 'latin1' = 'utf8') =>
    (await property(window, name))?.data.toString(encoding);

  const isManaged = async () => (await numbers(x.root, '_NET_SUPPORTING_WM_CHECK')).length > 0;
  const activeId = async (): Promise<number | undefined> => (await numbers(x.root, '_NET_ACTIVE_WINDOW'))[0];

  async function ids(): Promise<number[]> {
    const stacked = await numbers(x.root, '_NET_CLIENT_LIST_STACKING');
    if (stacked.length > 0 || (await isManaged())) return stacked;
    const { children } = await x.ask<{ children: number[] }>((client, answer) =>
      client.QueryTree(x.root, answer),
    );
    const shown = await Promise.all(children.map(isShown));
    return children.filter((_, index) => shown[index]);
  }

  /** A window of a program, where no window manager keeps a list. */
  async function isShown(window: number): Promise<boolean> {
    const attributes = await x
      .ask<{ mapState: number }>((client, answer) => client.GetWindowAttributes(window, answer))
      .catch(() => undefined);
    return attributes?.mapState === VIEWABLE && (await property(window, 'WM_CLASS')) !== undefined;
  }

  async function contentOf(window: number): Promise<Region | undefined> {
    try {
      const { width, height } = await x.ask<Geometry>((client, answer) => client.GetGeometry(window, answer));
      const { destX, destY } = await x.ask<{ destX: number; destY: number }>((client, answer) =>
        client.TranslateCoordinates(window, x.root, 0, 0, answer),
      );
      return { x: signed(destX), y: signed(destY), width, height };
    } catch {
      return undefined;
    }
  }

  async function factsOf(id: number, active: number | undefined): Promise<WindowFacts | undefined> {
    const content = await contentOf(id);
    if (!content) return undefined;
    const [left = 0, right = 0, top = 0, bottom = 0] = await numbers(id, '_NET_FRAME_EXTENTS');
    const title = (await text(id, '_NET_WM_NAME')) ?? (await text(id, 'WM_NAME', 'latin1')) ?? '';
    const names = ((await text(id, 'WM_CLASS', 'latin1')) ?? '').split('\0').filter(Boolean);
    const [pid] = await numbers(id, '_NET_WM_PID');
    return {
      id,
      title,
      app: names.join(' '),
      pid,
      active: id === active,
      content,
      x: content.x - left,
      y: content.y - top,
      width: content.width + left + right,
      height: content.height + top + bottom,
    };
  }

  return { isManaged, activeId, ids, factsOf };
}

const signed = (value: number): number => (value > 0x7fff ? value - 0x10000 : value);
