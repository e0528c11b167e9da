import { z } from 'zod';
import { desktopFrameSchema } from '../desktop.js';
import { jsonSchema, templated } from '../shapes.js';
import { desktopActionSchema, READ_ONLY_DESKTOP_ACTIONS } from './desktop.js';

/** What only a Skyvern understands, by the names of its own API; see its documentation. */
const skyvernOptionsSchema = z
  .strictObject({
    engine: z
      .enum([
        'skyvern-1.0',
        'skyvern-2.0',
        'skyvern-3.0',
        'openai-cua',
        'anthropic-cua',
        'ui-tars',
        'yutori-navigator',
      ])
      .optional(),
    model: z.record(z.string(), jsonSchema).optional(),
    proxyLocation: jsonSchema.optional(),
    totpIdentifier: z.string().min(1).optional(),
    totpUrl: z.string().min(1).optional(),
    browserProfileId: z.string().min(1).optional(),
    /** The steps of the run share a browser session, which a person can look into and take over in Skyvern. */
    keepSession: z.boolean().optional(),
    extraHttpHeaders: z.record(z.string(), z.string()).optional(),
    maxScreenshotScrolls: z.int().min(0).optional(),
    includeActionHistoryInVerification: z.boolean().optional(),
  })
  .refine(
    ({ browserProfileId, engine }) => browserProfileId === undefined || engine === 'skyvern-2.0',
    'browserProfileId belongs to the engine skyvern-2.0',
  );

/** `browser.task`: an instruction in words, for a Skyvern or a model to carry out in a browser. */
export const browserTaskSchema = z.strictObject({
  instruction: z.string().min(1).max(20_000),
  /** Where to begin. */
  url: z.string().min(1).optional(),
  /** JSON Schema of what is to be brought back as `output.extracted`. */
  schema: z.record(z.string(), jsonSchema).optional(),
  /** Codes of errors, and when each of them applies: the one that applied is named by the failure. */
  errors: z.record(z.string(), z.string()).optional(),
  /** Actions at most. */
  maxActions: templated(z.int().min(1).max(1000)).optional(),
  skyvern: skyvernOptionsSchema.optional(),
});
export type BrowserTask = z.infer<typeof browserTaskSchema>;

/** A desktop by its name, or by a label as `label=value`. */
const desktopSchema = z.string().min(1).max(200);

/** `desktop.task`: an instruction in words, for a model to carry out on a desktop. */
export const desktopTaskSchema = z.strictObject({
  instruction: z.string().min(1).max(20_000),
  desktop: desktopSchema.optional(),
  /** Size of the pictures that the model sees. */
  frame: desktopFrameSchema.optional(),
  /** JSON Schema of what is to be brought back as `output.extracted`. */
  schema: z.record(z.string(), jsonSchema).optional(),
  /** Codes of errors, and when each of them applies: the one that applied is named by the failure. */
  errors: z.record(z.string(), z.string()).optional(),
  /** Actions at most. */
  maxActions: templated(z.int().min(1).max(1000)).optional(),
});
export type DesktopTask = z.infer<typeof desktopTaskSchema>;

const desktopActionsSchema = z.array(desktopActionSchema).min(1).max(500);

/** `desktop.script`: typed actions for a computer-use daemon. */
export const desktopScriptSchema = z.strictObject({
  actions: desktopActionsSchema,
  desktop: desktopSchema.optional(),
  /** Size of the screen that the places of the script are counted in. */
  frame: desktopFrameSchema.optional(),
  /** How to tell, after an interruption, whether the script took effect; see that of `browser.script`. */
  lookUp: z
    .strictObject({
      actions: desktopActionsSchema.refine(
        (actions) => actions.every((action) => READ_ONLY_DESKTOP_ACTIONS.has(Object.keys(action)[0]!)),
        `a look-up only looks: ${[...READ_ONLY_DESKTOP_ACTIONS].join(', ')}`,
      ),
      found: z.string().min(1).max(10_000),
    })
    .optional(),
});
