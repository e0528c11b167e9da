import { deflateRawSync } from 'node:zlib';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { isSafeToRepeat } from '#machines/step/safety.js';
import { runFiles, type RunFiles } from '../../../src/agentfs/agentfs.js';
import type { StepResult, StepTask } from '../../../src/runtimes/driver.js';
import { runParser } from '../../../src/runtimes/workspace/parsers/run-parser.js';
import { numberOf } from '../../../src/runtimes/workspace/tools/table-tools.js';
import { builtInTools, createWorkspaceDriver } from '../../../src/runtimes/workspace/workspace.driver.js';
import { docxOf, pdfOf, xlsxOf, zipOf } from '../../support/documents.js';
import { UNTROUBLED } from '../../support/budget.js';
import { removeFolder, tempFolder } from '../../support/temp.js';

let root: string;
let files: RunFiles;
beforeEach(async () => {
  root = await tempFolder();
  files = runFiles(root, 'run_1');
});
afterEach(() => removeFolder(root));

const driver = createWorkspaceDriver(builtInTools);
const call = (tool: string, args: object, signal = new AbortController().signal): Promise<StepResult> =>
  driver.execute({
    runId: 'run_1',
    stepId: 'a',
    attempt: 1,
    step: { id: 'a', title: 'a', do: 'workspace.call', with: { tool, args } } as StepTask['step'],
    planned: { id: 'a', title: 'a', do: 'workspace.call', with: { tool, args } } as StepTask['step'],
    idempotencyKey: 'run_1/a',
    mission: { metadata: {}, inputs: {} },
    files,
    signal,
    mayAct: () => Promise.resolve(),
    ...UNTROUBLED,
    trace: () => undefined,
  });
const outputOf = async (tool: string, args: object) =>
  (await call(tool, args)).output as Record<string, unknown>;
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==',
  'base64',
);

describe('the text', () => {
  it('of a PDF is that of its pages', async () => {
    await files.write('a.pdf', pdfOf(['Invoice 17\nTotal 12.50', 'Page two (with brackets)']));
    expect(await outputOf('text.extract', { path: 'a.pdf' })).toMatchObject({
      kind: 'pdf',
      pages: ['Invoice 17\nTotal 12.50', 'Page two (with brackets)'],
      truncated: false,
    });
  });

  it('of DOCX, XLSX, HTML and CSV is found, whatever the file is called, and never enters the log', async () => {
    await files.write('a.docx', await docxOf(['Dear Ada,', 'thanks & regards']));
    await files.write(
      'a.xlsx',
      await xlsxOf([
        ['item', 'price'],
        ['tea', 4.5],
      ]),
    );
    await files.write('a.html', '<title>T</title><h1>Hello</h1><script>no()</script><p>there</p>');
    await files.write('a.csv', 'a;b\n1;2\n');
    await files.write('a.txt', 'plain');
    expect(await outputOf('text.extract', { path: 'a.docx' })).toMatchObject({
      kind: 'docx',
      text: expect.stringContaining('thanks & regards'),
    });
    expect(await outputOf('text.extract', { path: 'a.xlsx' })).toMatchObject({
      text: 'Lines\nitem\tprice\ntea\t4.5',
    });
    const html = await outputOf('text.extract', { path: 'a.html' });
    expect(html).toMatchObject({ kind: 'html', title: 'T', text: expect.stringContaining('# Hello') });
    expect(html.text).not.toContain('no()');
    expect(await outputOf('text.extract', { path: 'a.csv' })).toMatchObject({
      kind: 'csv',
      text: 'a;b\n1;2\n',
    });
    expect((await call('text.extract', { path: 'a.txt' })).content).toBe(true);
  });

  it('of a scan and of a picture is refused with the reason', async () => {
    await files.write('scan.pdf', pdfOf(['', '']));
    await files.write('scan.png', PNG);
    await expect(call('text.extract', { path: 'scan.pdf' })).rejects.toMatchObject({
      failure: { kind: 'input', code: 'no-text', message: expect.stringContaining('it is a scan') },
    });
    await expect(call('text.extract', { path: 'scan.png' })).rejects.toMatchObject({ code: 'no-text' });
  });

  it.each([
    ['broken.pdf', Buffer.from('%PDF-1.7\nnothing else')],
    ['broken.docx', Buffer.from('PK\u0003\u0004nothing else')],
    ['broken.xlsx', Buffer.from('PK\u0003\u0004nothing else')],
    ['program.bin', Buffer.from([1, 0, 2, 0, 3])],
  ])('of %s cannot be read, and that is said', async (name, bytes) => {
    await files.write(name, bytes);
    await expect(call('text.extract', { path: name })).rejects.toMatchObject({
      failure: { kind: 'input', code: 'not-readable', message: expect.stringContaining(name) },
    });
  });
});

describe('a parser', () => {
  const csv = (bytes: Buffer) => ({ kind: 'csv' as const, bytes, options: {} });
  const signal = new AbortController().signal;

  it('that takes too much memory is stopped, and nothing else is', async () => {
    const many = Buffer.from('a,b,c,d,e,f\n'.repeat(2_000_000));
    const limits = { timeMs: 60_000, memoryMb: 32 };
    await expect(runParser(csv(many), 'many.csv', signal, limits)).rejects.toMatchObject({
      failure: { code: 'too-heavy', message: 'many.csv takes more memory to read than 32 MB' },
    });
  });

  it('that takes too long is stopped', async () => {
    const many = Buffer.from('a,b,c,d,e,f\n'.repeat(500_000));
    const limits = { timeMs: 50, memoryMb: 1024 };
    await expect(runParser(csv(many), 'many.csv', signal, limits)).rejects.toMatchObject({
      failure: { code: 'too-heavy', message: 'many.csv takes longer to read than 50 ms' },
    });
  });

  it('stops when its step is aborted', async () => {
    const controller = new AbortController();
    const parsing = runParser(csv(Buffer.from('a\n'.repeat(1_000_000))), 'a.csv', controller.signal);
    setTimeout(() => controller.abort(new Error('paused')), 20);
    await expect(parsing).rejects.toThrow('paused');
  });
});

describe('a table', () => {
  it('is read from CSV with any delimiter, from XLSX and from JSON', async () => {
    await files.write('a.csv', '\uFEFFname;price\n"Tea; green";4,50\nCoffee\n');
    expect(await outputOf('table.read', { path: 'a.csv' })).toMatchObject({
      columns: ['name', 'price'],
      rows: [
        { name: 'Tea; green', price: '4,50' },
        { name: 'Coffee', price: null },
      ],
    });
    await files.write(
      'a.xlsx',
      await xlsxOf([
        ['name', 'price'],
        ['Tea', 4.5],
      ]),
    );
    expect(await outputOf('table.read', { path: 'a.xlsx' })).toMatchObject({
      rows: [{ name: 'Tea', price: 4.5 }],
    });
    await expect(call('table.read', { path: 'a.xlsx', sheet: 'None' })).rejects.toThrow('it has: Lines');
    await files.write('a.json', '[{"x":1}]');
    expect(await outputOf('table.read', { path: 'a.json' })).toMatchObject({ rows: [{ x: 1 }] });
    await files.write('b.json', '{"x":1}');
    await expect(call('table.read', { path: 'b.json' })).rejects.toMatchObject({ code: 'not-readable' });
  });

  it('is written so that it reads back as it was, and no cell is a formula', async () => {
    const rows = [
      { name: 'Tea, "green"\nfine', price: 4.5 },
      { name: '=HYPERLINK("x")', price: -2, note: null },
    ];
    const { artifacts } = await call('table.write', { path: 'outputs/a.csv', rows });
    expect(artifacts).toMatchObject([{ type: 'table', mediaType: 'text/csv' }]);
    expect(await outputOf('table.read', { path: 'outputs/a.csv' })).toMatchObject({
      columns: ['name', 'price', 'note'],
      rows: [
        { name: 'Tea, "green"\nfine', price: '4.5', note: '' },
        { name: '\'=HYPERLINK("x")', price: '-2', note: '' },
      ],
    });
  });

  it('adds up without dust, over all rows and by a column', async () => {
    const table = [
      { who: 'a', sum: 0.1 },
      { who: 'b', sum: '1,234.50' },
      { who: 'a', sum: 0.2 },
    ];
    expect(await outputOf('table.sum', { table, column: 'sum', by: 'who' })).toEqual({
      total: 1234.8,
      count: 3,
      groups: { a: 0.3, b: 1234.5 },
    });
    await expect(call('table.sum', { table: [{ sum: 'many' }], column: 'sum' })).rejects.toThrow(
      'sum: "many" is not a number',
    );
  });

  it.each([
    ['1234.5', 1234.5],
    ['1,234.50', 1234.5],
    ['1.234,50', 1234.5],
    ['€ 12,00', 12],
    ['-7', -7],
    ['1,234', 1234],
    [3, 3],
  ])('reads %j as %d', (text, number) => {
    expect(numberOf(text, 'x')).toBe(number);
  });

  it('is joined with another on a column, and what has no partner is told', async () => {
    const left = [
      { id: 1, a: 'x' },
      { id: 2, a: 'y' },
    ];
    const right = [{ id: 1, b: 'z' }];
    expect(await outputOf('table.join', { left, right, on: 'id' })).toEqual({
      rows: [{ id: 1, a: 'x', b: 'z' }],
      unmatched: [{ id: 2, a: 'y' }],
    });
  });
});

describe('an archive', () => {
  it('is packed and unpacked, the same bytes for the same files', async () => {
    await files.write('a.txt', 'one');
    await files.write('b/c.txt', 'two');
    const first = await outputOf('archive.create', { path: 'x.zip', files: ['a.txt', 'b/c.txt'] });
    const again = await outputOf('archive.create', { path: 'y.zip', files: ['a.txt', 'b/c.txt'] });
    expect(first.digest).toBe(again.digest);
    await call('archive.extract', { path: 'x.zip', to: 'out' });
    expect(new TextDecoder().decode(await files.read('out/b/c.txt'))).toBe('two');
  });

  /** A name that the writer of archives would refuse, put over another of the same length. */
  const renamed = async (from: string, to: string): Promise<Buffer> => {
    const zip = await zipOf({ [from]: 'x', 'good.txt': 'good' });
    return Buffer.from(zip.toString('latin1').replaceAll(from, to), 'latin1');
  };

  it.each([
    ['leads out', 'aa/aa/evil', '../../evil'],
    ['is absolute', 'aetc/evil', '/etc/evil'],
    ['has backslashes', 'aa_aa_evil', '..\\..\\evil'],
    ['has a NUL', 'evil-a', 'evil\0a'],
    ['leads out half-way', 'a/bb/evil', 'a/../../x'],
    ['has a drive', 'aa/evil', 'C:/evil'],
  ])('with a name that %s is refused whole', async (_, from, to) => {
    await files.write('evil.zip', await renamed(from, to));
    await expect(call('archive.extract', { path: 'evil.zip', to: 'out' })).rejects.toMatchObject({
      code: 'path-refused',
    });
    expect(await files.list('out')).toEqual([]);
    expect((await files.list('.')).map(({ path }) => path)).toEqual(['evil.zip']);
  });

  it('with a link is refused, and so is one that would write through a link', async () => {
    await files.write('link.zip', await zipOf({ link: '../../secret' }, { mode: 0o120777 }));
    await expect(call('archive.extract', { path: 'link.zip', to: 'out' })).rejects.toMatchObject({
      code: 'path-refused',
    });
    await files.write('fine.zip', await zipOf({ 'in/a.txt': 'x' }));
    await symlink(root, join(files.folder, 'elsewhere'));
    await expect(call('archive.extract', { path: 'fine.zip', to: 'elsewhere' })).rejects.toMatchObject({
      code: 'path-refused',
    });
  });

  it('that is a bomb is stopped early, also one that lies about its size', async () => {
    await files.write('bomb.zip', await zipOf({ bomb: Buffer.alloc(64 * 1024 * 1024) }));
    await expect(call('archive.extract', { path: 'bomb.zip', to: 'out' })).rejects.toMatchObject({
      code: 'too-heavy',
    });
    const zip = await zipOf({ bomb: Buffer.alloc(4 * 1024 * 1024) });
    const small = deflateRawSync(Buffer.alloc(4 * 1024 * 1024)).byteLength;
    expect(zip.byteLength).toBeLessThan(small + 1024);
    const lying = Buffer.from(zip);
    lying.writeUInt32LE(10, lying.lastIndexOf('PK\u0001\u0002') + 24);
    await files.write('liar.zip', lying);
    await expect(call('archive.extract', { path: 'liar.zip', to: 'out' })).rejects.toMatchObject({
      code: expect.stringMatching(/not-readable|too-heavy/),
    });
    expect(await files.list('out')).toEqual([]);
  });
});

describe('files', () => {
  it('are copied, removed, found by name and by words', async () => {
    await files.write('a/one.md', 'alpha\nBeta gamma\n');
    await files.write('a/b/two.md', 'beta');
    await files.write('a/three.txt', 'beta');
    await call('fs.copy', { from: 'a/one.md', to: 'c.md' });
    const found = await outputOf('fs.search', { name: '*.md', text: 'BETA' });
    expect(found.matches).toEqual([
      { path: 'a/b/two.md', line: 1, text: 'beta' },
      { path: 'a/one.md', line: 2, text: 'Beta gamma' },
      { path: 'c.md', line: 2, text: 'Beta gamma' },
    ]);
    expect((await outputOf('fs.search', { name: 'a/*.md' })).matches).toEqual([{ path: 'a/one.md' }]);
    await call('fs.remove', { path: 'c.md' });
    expect(await files.exists('c.md')).toBe(false);
    await expect(call('fs.remove', { path: 'c.md' })).rejects.toMatchObject({ code: 'file-not-found' });
  });

  it('are compared', async () => {
    await files.write('a.txt', 'one\ntwo\n');
    await files.write('b.txt', 'one\nthree\n');
    expect(await outputOf('text.diff', { from: 'a.txt', to: 'a.txt' })).toEqual({ same: true, patch: '' });
    expect((await outputOf('text.diff', { from: 'a.txt', to: 'b.txt' })).patch).toContain('-two\n+three');
  });

  it('that are pictures tell their size', async () => {
    await files.write('a.png', PNG);
    expect(await outputOf('image.info', { path: 'a.png' })).toMatchObject({
      type: 'png',
      width: 1,
      height: 1,
    });
    await files.write('b.png', 'no');
    await expect(call('image.info', { path: 'b.png' })).rejects.toMatchObject({ code: 'not-readable' });
  });
});

describe('a report', () => {
  it('is Markdown with a page beside it, in which nothing of it is HTML of its own', async () => {
    const markdown = '# Sums\n\n| a |\n|---|\n| 1 |\n\n<script>alert(1)</script>\n';
    const { output, artifacts } = await call('report.document', {
      path: 'outputs/r.md',
      title: 'R & S',
      markdown,
    });
    expect(output).toEqual({ md: 'outputs/r.md', html: 'outputs/r.html' });
    expect(artifacts).toHaveLength(2);
    const html = new TextDecoder().decode(await files.read('outputs/r.html'));
    expect(html).toContain('<title>R &amp; S</title>');
    expect(html).toContain('<td>1</td>');
    expect(html).not.toContain('<script>');
  });

  it('as PDF needs a browser, and says so where there is none', async () => {
    const args = { path: 'r.md', title: 'R', markdown: '# R', formats: ['pdf'] };
    await expect(call('report.document', args)).rejects.toMatchObject({ code: 'no-browser' });
  });
});

describe('of the built-in tools', () => {
  it('each that leaves the same world behind when it runs twice is safe to repeat, and no other', () => {
    const safe = (tool: string) =>
      isSafeToRepeat({ id: 'a', title: 'a', do: 'workspace.call', with: { tool, args: {} } });
    const unsafe = builtInTools.map(({ name }) => name).filter((name) => !safe(name));
    expect(unsafe).toEqual(['fs.move', 'fs.remove']);
  });
});
