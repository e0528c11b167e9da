import type { WindowTarget } from '#events/actions/desktop.js';
import { DeskError } from '../errors.js';
import type { Screen, WindowFacts } from '../screen/screen.js';

/** The windows that are meant, the one in front first. */
export function matching(
  windows: readonly WindowFacts[],
  { id, title, app, pid }: WindowTarget,
): WindowFacts[] {
  const wanted = app?.toLowerCase();
  return windows.filter(
    (window) =>
      (id === undefined || window.id === id) &&
      (title === undefined || window.title.includes(title)) &&
      (wanted === undefined || window.app.toLowerCase().split(' ').includes(wanted)) &&
      (pid === undefined || window.pid === pid),
  );
}

/** The one window that is meant. */
export async function findWindow(screen: Screen, target: WindowTarget): Promise<WindowFacts> {
  const found = matching(await screen.windows(), target);
  const [only] = found;
  if (!only) throw new DeskError('no-such-window', 'there is no such window');
  if (found.length > 1) throw new DeskError('window-ambiguous', `${found.length} windows are meant`);
  return only;
}
