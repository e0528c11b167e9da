import { z } from 'zod';
import { jsonSchema, templated } from '../shapes.js';
import { pointed, pointedSchema, targeted, targetSchema } from './browser-target.js';

const nonEmpty = z.string().min(1);
const timeoutMs = templated(z.int().min(1).max(120_000)).optional();
const nothing = z.strictObject({});
const exactlyOneOf = (...keys: string[]) =>
  [
    (given: object) =>
      keys.filter((key) => (given as Record<string, unknown>)[key] !== undefined).length === 1,
    `expected exactly one of ${keys.join(', ')}`,
  ] as const;

const gotoSchema = z.strictObject({
  url: nonEmpty,
  /** When the page counts as there: its document has come, was read, its parts have come too, or the network rests. */
  until: z.enum(['commit', 'domcontentloaded', 'load', 'idle']).optional(),
  timeoutMs,
});
const clickSchema = pointed({
  modifiers: z.array(z.enum(['Alt', 'Control', 'Meta', 'Shift'])).optional(),
  timeoutMs,
});
const pointable = pointed({ timeoutMs });
const fillSchema = targeted({ value: z.string(), timeoutMs });
/** Key by key, with `delayMs` between them; without a target, where the focus is. */
const typeSchema = targeted(
  { value: z.string(), delayMs: templated(z.int().min(0).max(1000)).optional(), timeoutMs },
  'optional',
);
/** One key or a chord, e.g. `Enter`, `Control+A`; without a target, where the focus is. */
const pressSchema = targeted({ key: nonEmpty, timeoutMs }, 'optional');
const selectSchema = targeted({ value: templated(z.union([z.string(), z.array(z.string())])), timeoutMs });
const checkSchema = targeted({ checked: templated(z.boolean()).optional(), timeoutMs });
/** Files of the run's folder, by their paths there. */
const uploadSchema = targeted({
  files: templated(z.union([nonEmpty, z.array(nonEmpty).min(1).max(100)])),
  timeoutMs,
});
const dragSchema = z.strictObject({ from: pointedSchema, to: pointedSchema, timeoutMs });
/** A target alone is scrolled into view; `dx` and `dy`, in CSS pixels, turn the wheel over it, else over the page. */
const scrollSchema = targeted(
  {
    dx: templated(z.int().min(-100_000).max(100_000)).optional(),
    dy: templated(z.int().min(-100_000).max(100_000)).optional(),
    to: z.enum(['top', 'bottom']).optional(),
    timeoutMs,
  },
  'optional',
);
const waitSchema = z
  .strictObject({
    ms: templated(z.int().min(0).max(600_000)).optional(),
    text: nonEmpty.optional(),
    selector: nonEmpty.optional(),
    url: nonEmpty.optional(),
    /** The network was still for half a second. */
    idle: z.literal(true).optional(),
    /** With `text` or `selector`: until it is gone. */
    gone: z.literal(true).optional(),
    timeoutMs,
  })
  .refine(...exactlyOneOf('ms', 'text', 'selector', 'url', 'idle'));
/** What is answered when the page asks with an alert, confirm or prompt. It holds until the end of the step. */
const dialogSchema = z.strictObject({ accept: templated(z.boolean()), text: z.string().optional() });
const newTabSchema = z.strictObject({ url: nonEmpty.optional(), timeoutMs });
/** By place (0 is the first), by a part of its address or title, or the one that was opened last. */
const switchTabSchema = z
  .strictObject({
    index: templated(z.int().min(0)).optional(),
    url: nonEmpty.optional(),
    title: nonEmpty.optional(),
    last: z.literal(true).optional(),
    timeoutMs,
  })
  .refine(...exactlyOneOf('index', 'url', 'title', 'last'));
/** What comes next happens in this frame: by the selector of its element, its name, or a part of its address; or in the page again. */
const frameSchema = z
  .strictObject({
    selector: nonEmpty.optional(),
    name: nonEmpty.optional(),
    url: nonEmpty.optional(),
    main: z.literal(true).optional(),
    timeoutMs,
  })
  .refine(...exactlyOneOf('selector', 'name', 'url', 'main'));

/**
 * `as`: `text` (visible text), `html`, `value` (of a field), `attribute` (with `attribute`), `links`, `table` (rows of
 * cells), `article` (the page's main article: title, byline, publishedTime, html, text), `snapshot` (the accessibility
 * tree as text), `fields` (with `fields`: a selector for each name, of one record, or with `all` of each element that
 * `selector` finds), `records` (with `schema`: a JSON Schema of an object, or of a list of them, whose properties are
 * found under the headings of a table or the labels of a list).
 */
const extractSchema = z
  .strictObject({
    name: nonEmpty,
    as: z.enum([
      'text',
      'html',
      'value',
      'attribute',
      'links',
      'table',
      'article',
      'snapshot',
      'fields',
      'records',
    ]),
    selector: nonEmpty.optional(),
    attribute: nonEmpty.optional(),
    fields: z.record(z.string(), nonEmpty).optional(),
    schema: z.record(z.string(), jsonSchema).optional(),
    all: z.boolean().optional(),
  })
  .refine((extract) => (extract.as === 'attribute') === (extract.attribute !== undefined), {
    message: 'attribute is needed with, and only with, "as": "attribute"',
  })
  .refine((extract) => (extract.as === 'fields') === (extract.fields !== undefined), {
    message: 'fields is needed with, and only with, "as": "fields"',
  })
  .refine((extract) => (extract.as === 'records') === (extract.schema !== undefined), {
    message: 'schema is needed with, and only with, "as": "records"',
  });
/** Of what is to be seen, of the whole page, or of one element. `name` is where its path stands in the output. */
const screenshotSchema = z
  .strictObject({ name: nonEmpty.optional(), fullPage: z.boolean().optional(), of: targetSchema.optional() })
  .refine(({ fullPage, of }) => !(fullPage && of), 'a picture is of the full page or of an element');
const pdfSchema = z.strictObject({
  name: nonEmpty.optional(),
  format: z.enum(['A3', 'A4', 'A5', 'Letter', 'Legal']).optional(),
  landscape: z.boolean().optional(),
});
/** The file that a click on an element, or an address, gives. Larger than `maxBytes`, it is given up. */
const downloadSchema = z
  .strictObject({
    name: nonEmpty.optional(),
    click: targetSchema.optional(),
    url: nonEmpty.optional(),
    maxBytes: templated(z.int().min(1)).optional(),
    timeoutMs,
  })
  .refine(...exactlyOneOf('click', 'url'));
/** `value` is what a field holds, with `selector`. */
const assertSchema = z
  .strictObject({
    text: nonEmpty.optional(),
    selector: nonEmpty.optional(),
    url: nonEmpty.optional(),
    title: nonEmpty.optional(),
    value: z.string().optional(),
    absent: z.boolean().optional(),
  })
  .refine(...exactlyOneOf('text', 'selector', 'url', 'title'))
  .refine(({ value, selector }) => value === undefined || selector !== undefined, {
    message: 'value belongs to a selector',
  });

/** The actions of `browser.script`, by name. A script of a page's own is not among them, on purpose. */
export const browserActions = {
  goto: gotoSchema,
  back: nothing,
  forward: nothing,
  reload: nothing,
  click: clickSchema,
  doubleClick: pointable,
  rightClick: pointable,
  hover: pointable,
  fill: fillSchema,
  type: typeSchema,
  press: pressSchema,
  select: selectSchema,
  check: checkSchema,
  upload: uploadSchema,
  drag: dragSchema,
  scroll: scrollSchema,
  wait: waitSchema,
  dialog: dialogSchema,
  newTab: newTabSchema,
  switchTab: switchTabSchema,
  closeTab: nothing,
  frame: frameSchema,
  extract: extractSchema,
  screenshot: screenshotSchema,
  pdf: pdfSchema,
  download: downloadSchema,
  assert: assertSchema,
} as const;
export type BrowserActionName = keyof typeof browserActions;
export type BrowserActionArgs<K extends BrowserActionName> = z.infer<(typeof browserActions)[K]>;

const oneKey = <K extends BrowserActionName>(name: K) => z.strictObject({ [name]: browserActions[name] });

/** One action as a one-key object: `{ "goto": { "url": "…" } }`. */
export const browserActionSchema = z.union([
  oneKey('goto'),
  oneKey('back'),
  oneKey('forward'),
  oneKey('reload'),
  oneKey('click'),
  oneKey('doubleClick'),
  oneKey('rightClick'),
  oneKey('hover'),
  oneKey('fill'),
  oneKey('type'),
  oneKey('press'),
  oneKey('select'),
  oneKey('check'),
  oneKey('upload'),
  oneKey('drag'),
  oneKey('scroll'),
  oneKey('wait'),
  oneKey('dialog'),
  oneKey('newTab'),
  oneKey('switchTab'),
  oneKey('closeTab'),
  oneKey('frame'),
  oneKey('extract'),
  oneKey('screenshot'),
  oneKey('pdf'),
  oneKey('download'),
  oneKey('assert'),
]);
export type BrowserAction = {
  [K in BrowserActionName]: { name: K; args: BrowserActionArgs<K> };
}[BrowserActionName];

/** Actions that only look, or move about. A script made of these alone may be repeated without a second effect. */
export const READ_ONLY_BROWSER_ACTIONS: ReadonlySet<string> = new Set([
  'goto',
  'back',
  'forward',
  'scroll',
  'wait',
  'newTab',
  'switchTab',
  'closeTab',
  'frame',
  'extract',
  'screenshot',
  'pdf',
  'assert',
]);
