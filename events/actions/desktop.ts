import { z } from 'zod';
import { templated } from '../shapes.js';

/** A whole number, as the place it stands in takes it: in a plan it may be an expression, on the wire it may not. */
type Whole<N> = (least: number, most: number) => z.ZodType<N>;
type Fraction<N> = (least: number, most: number) => z.ZodType<N>;

/** Pixels of a screen, or of the frame that a script declares. */
const MOST_PIXELS = 32_767;
const MOST_TEXT = 100_000;
const MOST_WAIT_MS = 600_000;

const nonEmpty = z.string().min(1).max(1000);
const named = z.strictObject({ name: nonEmpty.optional() });
const button = z.enum(['left', 'right', 'middle']);
/** A key by its name: `a`, `enter`, `f5`, `ctrl`, `page_up`; those of xdotool and pyautogui are understood too. */
const key = z.string().min(1).max(40);
const modifiers = z.array(key).min(1).max(4).optional();

/** A window: by its id, by a part of its title, by its application (the class or instance of WM_CLASS), by its process. */
const windowSchema = z
  .strictObject({
    id: z.int().min(1).optional(),
    title: nonEmpty.optional(),
    app: nonEmpty.optional(),
    pid: z.int().min(1).optional(),
  })
  .refine((given) => Object.keys(given).length > 0, 'expected one of id, title, app, pid');
export type WindowTarget = z.infer<typeof windowSchema>;

/** A colour as `#rrggbb`. */
const colour = z.string().regex(/^#[0-9a-f]{6}$/i, 'expected a colour as #rrggbb');

/** An application of the daemon's allow-list by its name there. An argument is a word or a path, never an option. */
const launchSchema = z.strictObject({
  app: z.string().min(1).max(100),
  args: z.array(z.string().min(1).max(4096)).max(20).optional(),
});

function vocabulary<N>(whole: Whole<N>, fraction: Fraction<N>) {
  const coordinate = () => whole(0, MOST_PIXELS);
  const point = () => z.strictObject({ x: coordinate(), y: coordinate() });
  const size = () => whole(1, MOST_PIXELS);
  const region = () => z.strictObject({ x: coordinate(), y: coordinate(), width: size(), height: size() });
  const timeoutMs = () => whole(1, MOST_WAIT_MS).optional();
  const pixel = () =>
    z.strictObject({ x: coordinate(), y: coordinate(), color: colour, tolerance: whole(0, 255).optional() });
  /** A picture of the run's folder, to be found on the screen; `similarity` is 1 for the very same pixels. */
  const image = () => z.strictObject({ path: nonEmpty, similarity: fraction(0.5, 1).optional() });
  return {
    /** Of the whole screen, or of a region. `scale` makes it smaller, `quality` (JPEG) is of 1 to 100. */
    screenshot: z.strictObject({
      name: nonEmpty.optional(),
      region: region().optional(),
      format: z.enum(['png', 'jpeg']).optional(),
      scale: fraction(0.05, 1).optional(),
      quality: whole(1, 100).optional(),
    }),
    cursor: named,
    move: z.strictObject({ to: point() }),
    /** Without `at`, where the cursor is. `holdMs` keeps the button down; `count` is 2 for a double click. */
    click: z.strictObject({
      at: point().optional(),
      button: button.optional(),
      count: whole(1, 3).optional(),
      holdMs: whole(0, 60_000).optional(),
      modifiers,
    }),
    /** Presses the button at the first point, follows the path, releases it at the last. */
    drag: z.strictObject({
      path: z.array(point()).min(2).max(1000),
      button: button.optional(),
      stepMs: whole(0, 1000).optional(),
      modifiers,
    }),
    /** Turns of the wheel: `dy` down, `dx` to the right, negative the other way. */
    scroll: z.strictObject({
      at: point().optional(),
      dx: whole(-100, 100).optional(),
      dy: whole(-100, 100).optional(),
      modifiers,
    }),
    /** Letter by letter, in any script and whatever the keyboard layout is. `paceMs` between two letters. */
    type: z.strictObject({ text: z.string().min(1).max(MOST_TEXT), paceMs: whole(0, 1000).optional() }),
    /** Through the clipboard, which afterwards holds what it held. `keys` where it is not ctrl+v, as in a terminal. */
    paste: z.strictObject({
      text: z.string().min(1).max(MOST_TEXT),
      keys: z.array(key).min(1).max(5).optional(),
    }),
    key: z.strictObject({ key, repeat: whole(1, 100).optional() }),
    hotkey: z.strictObject({ keys: z.array(key).min(1).max(5) }),
    /** Keys or a button stay down until `release`, the end of the step, or for `ms`. */
    hold: z
      .strictObject({
        keys: z.array(key).min(1).max(5).optional(),
        button: button.optional(),
        ms: whole(1, 60_000).optional(),
      })
      .refine(
        (hold) => (hold.keys === undefined) !== (hold.button === undefined),
        'expected exactly one of keys, button',
      ),
    /** Without keys or a button, everything that is held. */
    release: z.strictObject({ keys: z.array(key).min(1).max(5).optional(), button: button.optional() }),
    /** For a time, or until the screen shows something (with `gone`: no longer). `text` needs OCR. */
    wait: z
      .strictObject({
        ms: whole(0, MOST_WAIT_MS).optional(),
        pixel: pixel().optional(),
        image: image().optional(),
        text: nonEmpty.optional(),
        window: windowSchema.optional(),
        region: region().optional(),
        gone: z.literal(true).optional(),
        timeoutMs: timeoutMs(),
        name: nonEmpty.optional(),
      })
      .refine(
        (wait) =>
          [wait.ms, wait.pixel, wait.image, wait.text, wait.window].filter((way) => way !== undefined)
            .length === 1,
        'expected exactly one of ms, pixel, image, text, window',
      ),
    displays: named,
    windows: named,
    activeWindow: named,
    focusWindow: z.strictObject({ window: windowSchema }),
    moveWindow: z.strictObject({ window: windowSchema, to: point() }),
    resizeWindow: z.strictObject({ window: windowSchema, width: size(), height: size() }),
    closeWindow: z.strictObject({ window: windowSchema }),
    launch: launchSchema,
    /** With an application of the allow-list; without one, with what the desktop opens such files with. */
    openFile: z.strictObject({
      path: z.string().min(1).max(4096),
      app: z.string().min(1).max(100).optional(),
    }),
    /** What is in a folder of the machine, with sizes and SHA-256; `deep` also in the folders below. */
    files: z.strictObject({
      name: nonEmpty.optional(),
      path: z.string().min(1).max(4096),
      deep: z.boolean().optional(),
      /** Only this file of the folder, if it is there. */
      only: nonEmpty.optional(),
    }),
    readClipboard: named,
    setClipboard: z.strictObject({ text: z.string().max(MOST_TEXT) }),
    /** What is to be read on the screen, or on a region of it, by OCR. */
    readText: z.strictObject({ name: nonEmpty.optional(), region: region().optional() }),
  } as const;
}

const wholeInPlan: Whole<number | string> = (least, most) => templated(z.int().min(least).max(most));
const fractionInPlan: Fraction<number | string> = (least, most) => templated(z.number().min(least).max(most));
const wholeOnWire: Whole<number> = (least, most) => z.int().min(least).max(most);
const fractionOnWire: Fraction<number> = (least, most) => z.number().min(least).max(most);

/** The actions of `desktop.script`, by name, as a plan may have them. */
export const desktopActions = vocabulary(wholeInPlan, fractionInPlan);
/** The same as a daemon takes them: every number is one. */
const wireActions = vocabulary(wholeOnWire, fractionOnWire);

export type DesktopActionName = keyof typeof wireActions;
export type DesktopActionArgs<K extends DesktopActionName> = z.infer<(typeof wireActions)[K]>;
export type DesktopAction = {
  [K in DesktopActionName]: { name: K; args: DesktopActionArgs<K> };
}[DesktopActionName];

const NAMES = Object.keys(wireActions) as DesktopActionName[];
type OneKey<A extends Record<string, z.ZodType>> = {
  [K in keyof A]: z.ZodType<{ [P in K]: z.infer<A[K]> }>;
}[keyof A];

const oneOf = <A extends Record<DesktopActionName, z.ZodType>>(actions: A) =>
  z.union(
    NAMES.map((name) => z.strictObject({ [name]: actions[name] })) as unknown as [OneKey<A>, ...OneKey<A>[]],
  );

/** One action of a plan as a one-key object: `{ "click": { "at": { "x": 10, "y": 20 } } }`. */
export const desktopActionSchema = oneOf(desktopActions);
/** One action as a daemon takes it. */
export const desktopWireActionSchema = oneOf(wireActions);

/** Actions that only look. A script made of these alone may be repeated without a second effect. */
export const READ_ONLY_DESKTOP_ACTIONS: ReadonlySet<string> = new Set([
  'screenshot',
  'cursor',
  'wait',
  'displays',
  'windows',
  'activeWindow',
  'files',
  'readClipboard',
  'readText',
]);

/** One action by its name and its arguments. */
export function namedAction(action: z.infer<typeof desktopWireActionSchema>): DesktopAction {
  const [[name, args] = []] = Object.entries(action);
  return { name, args } as DesktopAction;
}
