import { z } from 'zod';
import type { Json } from '#events/shapes.js';
import type { RunFiles } from '../agentfs/agentfs.js';
import { plainText } from './plain-text.js';

const citationsSchema = z.array(z.looseObject({ quote: z.string().trim().min(1), note: z.string().min(1) }));

/** Every quotation must stand, word for word, in the file it is said to come from. Answers what is wrong. */
export async function checkQuotes(citations: Json, files: RunFiles): Promise<string | undefined> {
  const parsed = citationsSchema.safeParse(citations);
  if (!parsed.success) return 'expected a list of { quote, note }';
  for (const { quote, note } of parsed.data) {
    const source = plainText(new TextDecoder().decode(await files.read(note)));
    if (!source.includes(quote.replace(/\s+/g, ' ').trim())) return `a quotation does not stand in ${note}`;
  }
  return undefined;
}
