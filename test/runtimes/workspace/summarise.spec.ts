import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { RunFiles } from '../../../src/agentfs/agentfs.js';
import { sentencesOf, summarise } from '../../../src/runtimes/workspace/tools/summarise.js';
import { checkQuotes } from '../../../src/validator/quotes.js';

const NOTE = `---
title: "Tides"
url: "https://example.org/"
---

# Tides of the sea and how they turn

The moon pulls the water of the sea towards it. The sun pulls too, though less than the moon does.

- A list item about tides is not a sentence of the text.

| a table | about tides |

\`\`\`
const tides = "code is never quoted, whatever it says about tides.";
\`\`\`

See [the tide tables](https://example.org/tables) for the tides of your harbour today.

Boats wait for the tide in many harbours of
the north. Short one. A spring tide follows the full moon by about two days.
`;

describe('the sentences of a note', () => {
  it('are those of its plain text: no headings, lists, tables or code; of a link, its words', () => {
    expect(sentencesOf(NOTE)).toEqual([
      'The moon pulls the water of the sea towards it.',
      'The sun pulls too, though less than the moon does.',
      'See the tide tables for the tides of your harbour today.',
      'Boats wait for the tide in many harbours of the north.',
      'A spring tide follows the full moon by about two days.',
    ]);
  });
});

describe('a summary', () => {
  it('quotes the sentences that say most about the topic, in the order of the note', () => {
    expect(summarise(NOTE, 'full moon', 2)).toEqual([
      'The moon pulls the water of the sea towards it.',
      'A spring tide follows the full moon by about two days.',
    ]);
  });

  it('of a note without sentences, or of none, is empty', () => {
    expect(summarise('# only a heading', 'tides', 3)).toEqual([]);
    expect(summarise('', 'tides', 3)).toEqual([]);
  });

  it('quotes no sentence twice', () => {
    const again = 'The moon pulls the water of the sea towards it.';
    expect(summarise(`${again}\n\n${again}`, 'moon', 3)).toEqual([again]);
  });

  it('quotes only what the check of quotations finds in the note, whatever the note is', async () => {
    const lines = [
      ...NOTE.split('\n'),
      'Some *odd* _marks_ and a [bracket that is never closed in this text.',
      ...ODD,
    ];
    const piece = fc.constantFrom(...lines, '\n', '\t', '…', '](', '**', '`');
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 40 }), fc.string(), async (pieces, topic) => {
        const note = pieces.join('\n');
        const quotes = summarise(note, topic, 3);
        expect(quotes.length).toBeLessThanOrEqual(3);
        const files = { read: async () => new TextEncoder().encode(note) } as unknown as RunFiles;
        expect(
          await checkQuotes(
            quotes.map((quote) => ({ quote, note: 'note.md' })),
            files,
          ),
        ).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });
});

const ODD = [
  'A sentence with “quotes” in it, and a comma too.',
  'Ünï cödé is as good as any other text that is here.',
  'It is 5 * 3 and 2 * 7, says the teacher to the class.',
  'The file is called my_long_name and not my_other_name at all.',
  'Some \\*escaped\\* stars and a \\[bracket\\] stand in this text.',
  '<b>Bold</b> words of HTML are a part of this sentence too.',
];
