import { z } from 'zod';
import { jsonSchema, templated } from '../shapes.js';

/** `desktop.task`: an instruction in words, for a model to carry out. */
export const taskSchema = z.strictObject({
  instruction: z.string().min(1).max(20_000),
  url: z.string().min(1).optional(),
});

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

/** `desktop.script`: typed actions for the computer-use daemon, which checks them itself. */
export const desktopScriptSchema = z.strictObject({
  actions: z.array(z.record(z.string(), z.json())).min(1).max(500),
});
