import { canonicalKey } from '../keys.js';
import type { Act } from './act.js';

const PASTE = ['ctrl', 'v'];

/** Puts a text in through the clipboard, which afterwards holds what it held, if that was text. */
export const paste: Act<'paste'> = async (desk, { text, keys = PASTE }) => {
  const before = await desk.screen.readClipboard().catch(() => '');
  try {
    await desk.screen.pasteWith(text, keys.map(canonicalKey), desk.signal);
  } finally {
    await desk.screen.setClipboard(before);
  }
};
