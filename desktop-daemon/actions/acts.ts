import type { DesktopActionName } from '#events/actions/desktop.js';
import type { Act } from './act.js';
import { activeWindow } from './active-window.action.js';
import { click } from './click.action.js';
import { closeWindow } from './close-window.action.js';
import { cursor } from './cursor.action.js';
import { displays } from './displays.action.js';
import { drag } from './drag.action.js';
import { files } from './files.action.js';
import { focusWindow } from './focus-window.action.js';
import { hold } from './hold.action.js';
import { hotkey } from './hotkey.action.js';
import { key } from './key.action.js';
import { launch } from './launch.action.js';
import { moveWindow } from './move-window.action.js';
import { move } from './move.action.js';
import { openFile } from './open-file.action.js';
import { paste } from './paste.action.js';
import { readClipboard } from './read-clipboard.action.js';
import { readText } from './read-text.action.js';
import { release } from './release.action.js';
import { resizeWindow } from './resize-window.action.js';
import { screenshot } from './screenshot.action.js';
import { scroll } from './scroll.action.js';
import { setClipboard } from './set-clipboard.action.js';
import { type } from './type.action.js';
import { wait } from './wait.action.js';
import { windows } from './windows.action.js';

/** How every action is done. */
export const acts: { readonly [K in DesktopActionName]: Act<K> } = {
  screenshot,
  cursor,
  move,
  click,
  drag,
  scroll,
  type,
  paste,
  key,
  hotkey,
  hold,
  release,
  wait,
  displays,
  windows,
  activeWindow,
  focusWindow,
  moveWindow,
  resizeWindow,
  closeWindow,
  launch,
  openFile,
  files,
  readClipboard,
  setClipboard,
  readText,
};
