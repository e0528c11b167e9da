import { Key } from '@nut-tree-fork/nut-js';
import { DeskError } from '../errors.js';

/** nut.js's names of keys, for the platforms where it presses them. Those that it dies of are not among them. */
const KEYS: Readonly<Record<string, Key>> = {
  enter: Key.Return,
  tab: Key.Tab,
  space: Key.Space,
  ' ': Key.Space,
  backspace: Key.Backspace,
  delete: Key.Delete,
  insert: Key.Insert,
  esc: Key.Escape,
  up: Key.Up,
  down: Key.Down,
  left: Key.Left,
  right: Key.Right,
  home: Key.Home,
  end: Key.End,
  page_up: Key.PageUp,
  page_down: Key.PageDown,
  ctrl: Key.LeftControl,
  ctrl_right: Key.RightControl,
  shift: Key.LeftShift,
  shift_right: Key.RightShift,
  alt: Key.LeftAlt,
  alt_right: Key.RightAlt,
  altgr: Key.RightAlt,
  meta: Key.LeftSuper,
  meta_right: Key.RightSuper,
  caps_lock: Key.CapsLock,
  num_lock: Key.NumLock,
  scroll_lock: Key.ScrollLock,
  print: Key.Print,
  pause: Key.Pause,
  kp_enter: Key.Enter,
  kp_add: Key.Add,
  kp_subtract: Key.Subtract,
  kp_multiply: Key.Multiply,
  kp_divide: Key.Divide,
  kp_decimal: Key.Decimal,
  '-': Key.Minus,
  '=': Key.Equal,
  '[': Key.LeftBracket,
  ']': Key.RightBracket,
  '\\': Key.Backslash,
  ';': Key.Semicolon,
  "'": Key.Quote,
  ',': Key.Comma,
  '.': Key.Period,
  '/': Key.Slash,
  '`': Key.Grave,
};

/** Canonical names of keys as nut.js knows them. */
export const nutKeys = (names: readonly string[]): Key[] =>
  names.map((name) => {
    const known = KEYS[name] ?? byName(name);
    if (known === undefined) throw new DeskError('key-not-on-keyboard', `the keyboard has no ${name}`);
    return known;
  });

function byName(name: string): Key | undefined {
  if (/^[a-z]$/i.test(name)) return Key[name.toUpperCase() as keyof typeof Key];
  if (/^\d$/.test(name)) return Key[`Num${name}` as keyof typeof Key];
  if (/^f([1-9]|1[0-2])$/.test(name)) return Key[name.toUpperCase() as keyof typeof Key];
  const [, digit] = /^kp_(\d)$/.exec(name) ?? [];
  return digit === undefined ? undefined : Key[`NumPad${digit}` as keyof typeof Key];
}
