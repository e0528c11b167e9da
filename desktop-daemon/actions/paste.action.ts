import { canonicalKey } from '../keys.js';
import { pause } from '../pause.js';
import type { Act } from './act.js';

/** A program asks for the clipboard after the key, when it comes to it: until then it must hold the text. */
const ASKED_MS = 1_000;
const PASTE = ['ctrl', 'v'];

/** Puts a text in through the clipboard, which afterwards holds what it held. */
export const paste: Act<'paste'> = async (desk, { text, keys = PASTE }) => {
  const before = await desk.screen.readClipboard().catch(() => '');
  await desk.screen.setClipboard(text);
  try {
    await desk.held.withKeys(keys.map(canonicalKey), () => Promise.resolve());
    await pause(ASKED_MS, desk.signal);
  } finally {
    await desk.screen.setClipboard(before);
  }
};
