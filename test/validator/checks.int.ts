import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Check } from '#events/plan.js';
import type { Json } from '#events/shapes.js';
import { runFiles, type RunFiles } from '../../src/agentfs/agentfs.js';
import { runChecks } from '../../src/validator/checks.js';
import { removeFolder, tempFolder } from '../support/temp.js';

let root: string;
let files: RunFiles;
beforeEach(async () => {
  root = await tempFolder();
  files = runFiles(root, 'run_1');
});
afterEach(() => removeFolder(root));

/** What is wrong by one check; nothing, when it passes. */
async function wrong(
  check: Check,
  output: Json = null,
  inputs: Record<string, Json> = {},
): Promise<string | undefined> {
  const scope = { inputs, mission: {}, steps: {}, output };
  const [evidence] = await runChecks([check], { files, scope });
  expect(evidence!.passed).toBe(evidence!.detail === undefined);
  return evidence!.detail;
}

describe('a jsonata check', () => {
  it('passes when it is true, and for nothing that is only like true', async () => {
    expect(await wrong({ jsonata: 'output.n = 2' }, { n: 2 })).toBeUndefined();
    expect(await wrong({ jsonata: 'output.n = 3' }, { n: 2 })).toBe('“output.n = 3” is false, not true');
    expect(await wrong({ jsonata: 'output.n' }, { n: 2 })).toBe('“output.n” is 2, not true');
    expect(await wrong({ jsonata: 'output.none' }, { n: 2 })).toBe('“output.none” is null, not true');
    // Of what an expression yields, words are not told: they may be a page's.
    expect(await wrong({ jsonata: '"true"' })).toBe('“"true"” is a text, not true');
  });

  it('that fails to be reckoned does not pass', async () => {
    expect(await wrong({ jsonata: '$sum("x")' })).toMatch(/^expression “\$sum\("x"\)” failed: /);
  });
});

describe('a file check', () => {
  it('passes when the file is there, is large enough and has the digest', async () => {
    const { digest } = await files.write('outputs/a.txt', 'hello');
    expect(await wrong({ file: { path: 'outputs/a.txt' } })).toBeUndefined();
    expect(await wrong({ file: { path: 'outputs/a.txt', minBytes: 5, digest } })).toBeUndefined();
    expect(
      await wrong({ file: { path: 'outputs/{{ inputs.name }}.txt' } }, null, { name: 'a' }),
    ).toBeUndefined();
  });

  it('says what is wrong with the file', async () => {
    await files.write('outputs/a.txt', 'hello');
    expect(await wrong({ file: { path: 'outputs/b.txt' } })).toBe('there is no file outputs/b.txt');
    expect(await wrong({ file: { path: 'outputs/a.txt', minBytes: 6 } })).toBe(
      'outputs/a.txt has 5 bytes, not 6',
    );
    expect(await wrong({ file: { path: 'outputs/a.txt', digest: '0'.repeat(64) } })).toBe(
      `outputs/a.txt has SHA-256 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824, not ${'0'.repeat(64)}`,
    );
  });

  it('cannot look outside the folder of the run', async () => {
    expect(await wrong({ file: { path: '../../../etc/passwd' } })).toMatch(/^path .+ is refused: /);
  });
});

describe('a schema check', () => {
  const schema = { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } };

  it('passes for an output that fits', async () => {
    expect(await wrong({ schema }, { n: 1 })).toBeUndefined();
  });

  it('says all that does not fit', async () => {
    expect(await wrong({ schema }, { n: 1.5 })).toBe(
      'the output does not fit the schema: output/n must be integer',
    );
    expect(await wrong({ schema })).toBe('the output does not fit the schema: output must be object');
  });

  it('that is no schema does not pass', async () => {
    expect(await wrong({ schema: { type: 'nonsense' } }, {})).toMatch(/schema/);
  });
});

describe('a text check', () => {
  it('passes when the text stands anywhere in the output', async () => {
    expect(await wrong({ text: 'say "hi"\n' }, { deep: ['they say "hi"\nand go'] })).toBeUndefined();
    expect(await wrong({ text: 'bye' }, { deep: ['hi'] })).toBe('the output does not hold “bye”');
  });
});

describe('a status check', () => {
  it('passes for the status the output names', async () => {
    expect(await wrong({ status: 200 }, { status: 200 })).toBeUndefined();
    expect(await wrong({ status: 200 }, { status: 404 })).toBe('HTTP status 404 was seen, not 200');
    expect(await wrong({ status: 200 }, [200])).toBe('HTTP status none was seen, not 200');
  });
});

describe('a quotes check', () => {
  const check: Check = { quotes: '{{ output }}' };
  beforeEach(() => files.write('notes/1.md', 'The tide turns\ntwice a day. It is the moon that pulls.'));
  const quoting = (quote: string): Json => [{ quote, note: 'notes/1.md' }];

  it('passes when every quotation stands in its note, however its lines are broken', async () => {
    expect(await wrong(check, quoting('The tide turns twice a day.'))).toBeUndefined();
    expect(await wrong(check, [])).toBeUndefined();
  });

  it.each([
    'The tide turns thrice a day.',
    'the tide turns twice a day.',
    'The tide turns twice a day!',
    'The tide turns … a day.',
  ])('finds a quotation that was altered: %s', async (quote) => {
    expect(await wrong(check, quoting(quote))).toBe('a quotation does not stand in notes/1.md');
  });

  it('finds one that was altered among many', async () => {
    const quotes = [
      ...(quoting('It is the moon that pulls.') as Json[]),
      ...(quoting('It is the sun that pulls.') as Json[]),
    ];
    expect(await wrong(check, quotes)).toBe('a quotation does not stand in notes/1.md');
  });

  it('does not pass for a note there is not, an empty quotation, or what is no list', async () => {
    expect(await wrong(check, [{ quote: 'x', note: 'notes/2.md' }])).toMatch(/^there is no file /);
    expect(await wrong(check, quoting(''))).toBe('expected a list of { quote, note }');
    expect(await wrong(check, quoting('   '))).toBe('expected a list of { quote, note }');
    expect(await wrong(check, 'none')).toBe('expected a list of { quote, note }');
  });
});

describe('checks', () => {
  it('are all made, also after one has failed, and each is named', async () => {
    const scope = { inputs: {}, mission: {}, steps: {}, output: { n: 1 } };
    const evidence = await runChecks(
      [{ jsonata: 'false', message: 'never' }, { jsonata: 'true' }, { text: 'x', message: 'has x' }],
      { files, scope },
    );
    expect(evidence.map(({ check, passed }) => [check, passed])).toEqual([
      ['never', false],
      ['jsonata', true],
      ['has x', false],
    ]);
  });

  it('say no more than a thousand characters', async () => {
    const [evidence] = await runChecks([{ text: 'y'.repeat(5_000) }], {
      files,
      scope: { inputs: {}, mission: {}, steps: {}, output: '' },
    });
    expect(evidence!.detail).toHaveLength(1000);
  });
});
