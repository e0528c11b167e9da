import { z } from 'zod';

const nonEmpty = z.string().min(1);

/** Ways to name an element, the one that outlives a redesign best first. */
export const LOCATORS = ['role', 'label', 'placeholder', 'text', 'testId', 'selector'] as const;
export type LocatorName = (typeof LOCATORS)[number];

/**
 * Which element: by role and accessible name, label, placeholder, text, test id, or (last resort) CSS selector. With
 * several of them, the first in this order that finds exactly one element is taken.
 */
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
  /** Only below the element that this CSS selector finds. */
  within: nonEmpty.optional(),
};

const named = (target: object): LocatorName[] =>
  LOCATORS.filter((key) => (target as Record<string, unknown>)[key] !== undefined);
const NO_ELEMENT = `expected one of ${LOCATORS.join(', ')}`;
const LONELY_NAME = 'name belongs to a role';
const hasRole = ({ name, role }: { name?: unknown; role?: unknown }) =>
  name === undefined || role !== undefined;

/** A place in what is to be seen of the page, in CSS pixels from its upper left corner. */
export const pointSchema = z.strictObject({
  x: z.number().min(0).max(20_000),
  y: z.number().min(0).max(20_000),
});
export type Point = z.infer<typeof pointSchema>;

/** The arguments of an action upon an element, with further ones. */
export function targeted<S extends z.ZodRawShape>(more: S, needed: 'required' | 'optional' = 'required') {
  return z
    .strictObject({ ...targetShape, ...more })
    .refine((target) => needed === 'optional' || named(target).length > 0, NO_ELEMENT)
    .refine((target) => hasRole(target as { name?: unknown; role?: unknown }), LONELY_NAME);
}

export const targetSchema = targeted({});
export type Target = z.infer<typeof targetSchema>;

/** Whether the arguments of an action name an element at all. */
export const namesElement = (target: object): boolean => named(target).length > 0;

/** The arguments of an action upon an element, or upon a place. */
export function pointed<S extends z.ZodRawShape>(more: S) {
  return z
    .strictObject({ ...targetShape, at: pointSchema.optional(), ...more })
    .refine(
      (target) => named(target).length > 0 !== ((target as { at?: unknown }).at !== undefined),
      `expected one of ${LOCATORS.join(', ')}, or at`,
    )
    .refine((target) => hasRole(target as { name?: unknown; role?: unknown }), LONELY_NAME);
}
export const pointedSchema = pointed({});
export type Pointed = z.infer<typeof pointedSchema>;
