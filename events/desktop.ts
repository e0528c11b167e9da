import { z } from 'zod';
import { desktopWireActionSchema } from './actions/desktop.js';
import { jsonSchema } from './shapes.js';

/** Names of desktops are a token of a subject: letters, digits, `-` and `_`. */
export const desktopNameSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/, 'expected letters, digits, - or _');

/**
 * Who acts: a run, at the fence it stood at when the step began. `epoch` rises with every change of the run's owner,
 * `control` with every taking of its controls; whoever comes with an older one is refused.
 */
export const desktopLeaseSchema = z.strictObject({
  run: z.string().regex(/^[A-Za-z0-9_-]{1,100}$/),
  epoch: z.int().min(0),
  control: z.int().min(0),
});
export type DesktopLease = z.infer<typeof desktopLeaseSchema>;

/** Size of the pictures that a model sees: places of actions are counted in it, and answers too. In pixels. */
export const desktopFrameSchema = z.strictObject({
  width: z.int().min(16).max(32_767),
  height: z.int().min(16).max(32_767),
});
export type DesktopFrame = z.infer<typeof desktopFrameSchema>;

/** One action for a desktop. `id` names it for a cancel; `image` is the picture (base64) that `wait` looks for. */
export const desktopCommandSchema = z.strictObject({
  v: z.literal(1),
  id: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,100}$/)
    .optional(),
  action: desktopWireActionSchema,
  lease: desktopLeaseSchema.optional(),
  frame: desktopFrameSchema.optional(),
  image: z.base64().max(8_000_000).optional(),
});
export type DesktopCommand = z.infer<typeof desktopCommandSchema>;

/** A picture of the screen; its own size in `width` and `height`, in pixels. */
export const desktopImageSchema = z.strictObject({
  mediaType: z.enum(['image/png', 'image/jpeg']),
  width: z.int().min(1),
  height: z.int().min(1),
  /** Base64. */
  data: z.string(),
});
export type DesktopImage = z.infer<typeof desktopImageSchema>;

/** Why a desktop did not do what it was asked: see `DESKTOP_ERRORS`. `untouched` when nothing at all was done. */
export const desktopErrorSchema = z.strictObject({
  code: z.string(),
  message: z.string(),
  hint: z.string(),
  untouched: z.boolean(),
  /** Of `type`: how many characters were typed before it stopped (a line end counts as one). */
  typed: z.int().min(0).optional(),
});
export type DesktopErrorBody = z.infer<typeof desktopErrorSchema>;

export const desktopAnswerSchema = z.union([
  z.strictObject({
    ok: z.literal(true),
    result: jsonSchema,
    image: desktopImageSchema.optional(),
    durationMs: z.number().min(0),
  }),
  z.strictObject({ ok: z.literal(false), error: desktopErrorSchema }),
]);
export type DesktopAnswer = z.infer<typeof desktopAnswerSchema>;

/** Who has the controls of a desktop: nobody, a run, a person who sits at it, or (after the kill switch) nobody at all. */
export const desktopControlSchema = z.strictObject({
  state: z.enum(['free', 'run', 'person', 'stopped']),
  /** The run that has the desktop, or had it when the person came. */
  lease: desktopLeaseSchema.optional(),
  /** What the person was noticed by. */
  by: z.enum(['mouse', 'keyboard', 'corner', 'hotkey', 'command']).optional(),
});
export type DesktopControl = z.infer<typeof desktopControlSchema>;

/** What a desktop is, for whoever looks for one. */
export const desktopInfoSchema = z.strictObject({
  name: desktopNameSchema,
  labels: z.record(z.string(), z.string()),
  version: z.string(),
  platform: z.string(),
  screen: z.strictObject({ width: z.int(), height: z.int() }).optional(),
  /** Why there is no screen. */
  problem: desktopErrorSchema.optional(),
  apps: z.array(z.string()),
  ocr: z.boolean(),
  control: desktopControlSchema,
});
export type DesktopInfo = z.infer<typeof desktopInfoSchema>;

/** What is asked of the controls of a desktop. A lease ends after `ttlMs` without a command or a renewal. */
export const desktopControlCommandSchema = z.discriminatedUnion('do', [
  z.strictObject({
    do: z.literal('acquire'),
    lease: desktopLeaseSchema,
    ttlMs: z.int().min(1000).max(3_600_000).optional(),
  }),
  /** Prolongs a lease that is in force, and takes nothing. */
  z.strictObject({
    do: z.literal('renew'),
    lease: desktopLeaseSchema,
    ttlMs: z.int().min(1000).max(3_600_000).optional(),
  }),
  z.strictObject({ do: z.literal('release'), lease: desktopLeaseSchema }),
  /** Lets go of all keys and buttons, and of what is under way; the lease stays. */
  z.strictObject({ do: z.literal('halt'), lease: desktopLeaseSchema }),
  /** Who has them now. */
  z.strictObject({ do: z.literal('look') }),
  /** The kill switch: nothing acts until `handback`. */
  z.strictObject({ do: z.literal('stop') }),
  /** The person at the desktop gives it back. */
  z.strictObject({ do: z.literal('handback') }),
]);
export type DesktopControlCommand = z.infer<typeof desktopControlCommandSchema>;

/** Everything a daemon can answer with, with what to do about it. */
export const DESKTOP_ERRORS = {
  'no-display': 'start an X server (or run `skyagent doctor --fix` on Debian), or log in to the desktop',
  'no-permission': 'allow the daemon to see the screen and to use the mouse; `skyagent doctor` says where',
  'screen-crashed': 'the screen process is started again by itself; try once more',
  'screen-locked': 'unlock the screen',
  'outside-screen': 'look at the size of the screen, or at the declared frame, and stay inside',
  'unknown-key': 'use a name such as enter, f5, page_up, ctrl or a single letter',
  'key-not-on-keyboard': 'use the keyboard layout that has it',
  'no-such-window': 'list the windows to see what there is',
  'window-refused': 'look at a screenshot: the window manager has its own will about this window',
  'window-ambiguous': 'name the window more exactly, or by its id',
  'app-not-allowed': 'allow the application when the daemon is started: --app name',
  'bad-argument': 'correct the action; the message names the field',
  'folder-not-allowed': 'allow the folder when the daemon is started: --folder path',
  'app-failed': 'start the application by hand to see what it says',
  'file-not-found': 'check the path on the machine of the desktop',
  'ocr-unavailable': 'install tesseract (Debian: tesseract-ocr) on the machine of the desktop',
  'not-seen': 'look at a screenshot: the screen does not show what was waited for',
  'not-supported': 'this cannot be done on this platform',
  'no-lease': 'acquire the desktop first, and send its lease with every action',
  'stale-lease': 'another owner has the run, or the run has let go of the desktop',
  busy: 'wait until the run that has the desktop is done with it',
  'person-at-controls':
    'a person uses the desktop; it is given back there with `skyagent desktop-daemon handback`, or from afar with `skyagent desktops handback <name>`',
  stopped:
    'somebody used the kill switch; `skyagent desktop-daemon handback` on that machine ends it, or `skyagent desktops handback <name>`',
  canceled: 'it was asked to stop',
  fault: 'this is a fault of the daemon; its own log says more',
} as const;
export type DesktopErrorCode = keyof typeof DESKTOP_ERRORS;

/** The name under which desktops are found as a NATS service. */
export const DESKTOP_SERVICE = 'skyagent-desktop';
/** A large answer comes in parts: header of each, `<number>/<count>`, counted from 1. */
export const PART_HEADER = 'Skyagent-Part';
export const PART_BYTES = 512 * 1024;
