import { DeskError } from './errors.js';

/** Keysyms of the keys that print nothing, by their canonical names. Numbers are those of X11's keysymdef.h. */
const NAMED: Readonly<Record<string, number>> = {
  enter: 0xff0d,
  tab: 0xff09,
  space: 0x20,
  backspace: 0xff08,
  delete: 0xffff,
  insert: 0xff63,
  esc: 0xff1b,
  up: 0xff52,
  down: 0xff54,
  left: 0xff51,
  right: 0xff53,
  home: 0xff50,
  end: 0xff57,
  page_up: 0xff55,
  page_down: 0xff56,
  ctrl: 0xffe3,
  ctrl_right: 0xffe4,
  shift: 0xffe1,
  shift_right: 0xffe2,
  alt: 0xffe9,
  alt_right: 0xffea,
  altgr: 0xfe03,
  meta: 0xffeb,
  meta_right: 0xffec,
  menu: 0xff67,
  caps_lock: 0xffe5,
  num_lock: 0xff7f,
  scroll_lock: 0xff14,
  print: 0xff61,
  pause: 0xff13,
  kp_enter: 0xff8d,
  kp_add: 0xffab,
  kp_subtract: 0xffad,
  kp_multiply: 0xffaa,
  kp_divide: 0xffaf,
  kp_decimal: 0xffae,
  volume_up: 0x1008ff13,
  volume_down: 0x1008ff11,
  volume_mute: 0x1008ff12,
  ...Object.fromEntries(Array.from({ length: 24 }, (_, index) => [`f${index + 1}`, 0xffbe + index])),
  ...Object.fromEntries(Array.from({ length: 10 }, (_, digit) => [`kp_${digit}`, 0xffb0 + digit])),
};

/** Other spellings: X keysyms and xdotool, pyautogui, the web's `key`. Compared in lower case, without `-`, `_` and spaces. */
const ALIASES: Readonly<Record<string, string>> = {
  return: 'enter',
  escape: 'esc',
  del: 'delete',
  ins: 'insert',
  arrowup: 'up',
  arrowdown: 'down',
  arrowleft: 'left',
  arrowright: 'right',
  pgup: 'page_up',
  pgdn: 'page_down',
  prior: 'page_up',
  next: 'page_down',
  control: 'ctrl',
  controll: 'ctrl',
  ctrlleft: 'ctrl',
  controlr: 'ctrl_right',
  shiftl: 'shift',
  shiftleft: 'shift',
  shiftr: 'shift_right',
  altl: 'alt',
  altleft: 'alt',
  option: 'alt',
  altr: 'alt_right',
  isolevel3shift: 'altgr',
  super: 'meta',
  superl: 'meta',
  win: 'meta',
  winleft: 'meta',
  windows: 'meta',
  cmd: 'meta',
  command: 'meta',
  superr: 'meta_right',
  printscreen: 'print',
  prtsc: 'print',
  sysreq: 'print',
  break: 'pause',
  capital: 'caps_lock',
};

const PLAIN = new Map(Object.keys(NAMED).map((name) => [name.replaceAll('_', ''), name]));

/** The keysym of one character: Latin-1 as it is, all others by X11's rule for Unicode. */
export const keysymOfCharacter = (character: string): number => {
  const point = character.codePointAt(0)!;
  const isLatin1 = (point >= 0x20 && point <= 0x7e) || (point >= 0xa0 && point <= 0xff);
  return isLatin1 ? point : 0x01000000 + point;
};

/** A key by its canonical name, or one character. */
export function canonicalKey(name: string): string {
  if (/^\P{Cc}$/u.test(name)) return name;
  const plain = name.toLowerCase().replaceAll(/[-_\s]/g, '');
  const known = PLAIN.get(plain) ?? ALIASES[plain];
  if (known === undefined) throw new DeskError('unknown-key', 'there is no key of this name');
  return known;
}

/** The keysym of a key, whose name is canonical. */
export const keysymOf = (key: string): number => NAMED[key] ?? keysymOfCharacter(key);

export const isModifier = (key: string): boolean => /^(ctrl|shift|alt|meta)(_right)?$|^altgr$/.test(key);
