import { z } from 'zod';
import type { Json } from '#events/shapes.js';

/** What there is to be seen of a run now. */
export interface LiveFrame {
  /** JPEG. */
  readonly image: Buffer;
  /** Size that the places of inputs are counted in, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Where the page is, for a browser. */
  readonly url?: string;
}

/** Somebody looks at the screen of a run, for as long as it is open. */
export interface LiveView {
  close(): Promise<void>;
}

const place = { x: z.number().min(0).max(20_000), y: z.number().min(0).max(20_000) };

/** What a person who has the controls does to the screen, in its pixels. */
export const liveInputSchema = z.discriminatedUnion('input', [
  z.strictObject({ input: z.literal('click'), ...place, button: z.enum(['left', 'right']).default('left') }),
  z.strictObject({ input: z.literal('doubleClick'), ...place }),
  z.strictObject({ input: z.literal('type'), text: z.string().min(1).max(10_000) }),
  z.strictObject({ input: z.literal('key'), key: z.string().min(1).max(40) }),
  z.strictObject({
    input: z.literal('scroll'),
    ...place,
    dx: z.number().min(-20_000).max(20_000).default(0),
    dy: z.number().min(-20_000).max(20_000).default(0),
  }),
  z.strictObject({ input: z.literal('open'), url: z.string().min(1).max(10_000) }),
  z.strictObject({ input: z.enum(['back', 'forward', 'reload']) }),
]);
export type LiveInput = z.infer<typeof liveInputSchema>;

/** The same as a step of the runtime: a person acts through the driver that an agent would use. */
export interface PersonStep {
  readonly do: string;
  readonly with: Json;
}
