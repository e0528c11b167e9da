import { z } from 'zod';
import { templated } from '../shapes.js';

const nonEmpty = z.string().min(1);

/** Which element: by role and accessible name, label, placeholder, text, test id, or (last resort) CSS selector. */
const targetShape = {
  role: nonEmpty.optional(),
  name: nonEmpty.optional(),
  label: nonEmpty.optional(),
  placeholder: nonEmpty.optional(),
  text: nonEmpty.optional(),
  testId: nonEmpty.optional(),
  selector: nonEmpty.optional(),
  exact: z.boolean().optional(),
  nth: z.int().min(0).optional(),
};
const LOCATORS = ['role', 'label', 'placeholder', 'text', 'testId', 'selector'] as const;

const namesOneElement = (target: Record<string, unknown>) =>
  LOCATORS.filter((key) => target[key] !== undefined).length === 1;
const ONE_ELEMENT = `expected exactly one of ${LOCATORS.join(', ')}`;

export const targetSchema = z.strictObject(targetShape).refine(namesOneElement, ONE_ELEMENT);
export type Target = z.infer<typeof targetSchema>;

const gotoSchema = z.strictObject({
  url: nonEmpty,
  timeoutMs: templated(z.int().min(1).max(120_000)).optional(),
});
const fillSchema = z.strictObject({ ...targetShape, value: z.string() }).refine(namesOneElement, ONE_ELEMENT);
const pressSchema = z.strictObject({ key: nonEmpty, selector: nonEmpty.optional() });
const selectSchema = z
  .strictObject({ ...targetShape, value: templated(z.union([z.string(), z.array(z.string())])) })
  .refine(namesOneElement, ONE_ELEMENT);
const waitSchema = z
  .strictObject({
    ms: templated(z.int().min(0).max(600_000)).optional(),
    text: nonEmpty.optional(),
    selector: nonEmpty.optional(),
    url: nonEmpty.optional(),
  })
  .refine((wait) => Object.values(wait).filter((value) => value !== undefined).length === 1, {
    message: 'expected exactly one of ms, text, selector, url',
  });

/**
 * `as`: `text` (visible text), `html`, `value` (of a field), `attribute` (with `attribute`), `links`, `table` (rows of
 * cells), `article` (the page's main article: title, byline, publishedTime, html, text).
 */
const extractSchema = z
  .strictObject({
    name: nonEmpty,
    as: z.enum(['text', 'html', 'value', 'attribute', 'links', 'table', 'article']),
    selector: nonEmpty.optional(),
    attribute: nonEmpty.optional(),
    all: z.boolean().optional(),
  })
  .refine((extract) => (extract.as === 'attribute') === (extract.attribute !== undefined), {
    message: 'attribute is needed with, and only with, "as": "attribute"',
  });
const screenshotSchema = z.strictObject({ name: nonEmpty.optional(), fullPage: z.boolean().optional() });
const assertSchema = z
  .strictObject({
    text: nonEmpty.optional(),
    selector: nonEmpty.optional(),
    url: nonEmpty.optional(),
    title: nonEmpty.optional(),
    absent: z.boolean().optional(),
  })
  .refine((check) => [check.text, check.selector, check.url, check.title].filter(Boolean).length === 1, {
    message: 'expected exactly one of text, selector, url, title',
  });

/** The actions of `browser.script`, by name. */
export const browserActions = {
  goto: gotoSchema,
  click: targetSchema,
  fill: fillSchema,
  press: pressSchema,
  select: selectSchema,
  wait: waitSchema,
  extract: extractSchema,
  screenshot: screenshotSchema,
  assert: assertSchema,
} as const;
export type BrowserActionName = keyof typeof browserActions;

const oneKey = <K extends BrowserActionName>(name: K) => z.strictObject({ [name]: browserActions[name] });

/** One action as a one-key object: `{ "goto": { "url": "…" } }`. */
export const browserActionSchema = z.union([
  oneKey('goto'),
  oneKey('click'),
  oneKey('fill'),
  oneKey('press'),
  oneKey('select'),
  oneKey('wait'),
  oneKey('extract'),
  oneKey('screenshot'),
  oneKey('assert'),
]);
export type BrowserAction = {
  [K in BrowserActionName]: { name: K; args: z.infer<(typeof browserActions)[K]> };
}[BrowserActionName];

/** Actions that only look. A script made of these alone may be repeated without a second effect. */
export const READ_ONLY_BROWSER_ACTIONS: ReadonlySet<string> = new Set([
  'goto',
  'wait',
  'extract',
  'screenshot',
  'assert',
]);
