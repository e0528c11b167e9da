import { UNTROUBLED } from '../../support/budget.js';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { missionRequestSchema } from '#events/mission.js';
import { planSchema, type PlanStep } from '#events/plan.js';
import type { Json } from '#events/shapes.js';
import { runFiles, type RunFiles } from '../../../src/agentfs/agentfs.js';
import type { StepResult, StepTask } from '../../../src/runtimes/driver.js';
import { builtInTools, workspaceDriver } from '../../../src/runtimes/workspace/workspace.driver.js';
import { removeFolder, tempFolder } from '../../support/temp.js';

let root: string;
let files: RunFiles;
beforeEach(async () => {
  root = await tempFolder();
  files = runFiles(root, 'run_1');
});
afterEach(() => removeFolder(root));

const textOf = async (path: string): Promise<string> => new TextDecoder().decode(await files.read(path));

function taskOf(tool: string, args: Record<string, Json>): StepTask {
  const plan = planSchema.parse({
    steps: [{ id: 'a', title: 'a', do: 'workspace.call', with: { tool, args } }],
  });
  return {
    runId: 'run_1',
    stepId: 'a',
    attempt: 1,
    step: plan.steps[0] as PlanStep,
    planned: plan.steps[0] as PlanStep,
    idempotencyKey: 'run_1/a',
    mission: missionRequestSchema.parse({ plan }),
    files,
    signal: new AbortController().signal,
    mayAct: () => Promise.resolve(),
    ...UNTROUBLED,
    trace: () => undefined,
  };
}
const call = (tool: string, args: Record<string, Json> = {}): Promise<StepResult> =>
  workspaceDriver.execute(taskOf(tool, args));

describe('the workspace', () => {
  it('has these tools', () => {
    expect(builtInTools.map(({ name }) => name)).toEqual([
      'noop',
      'fs.write',
      'fs.read',
      'fs.list',
      'fs.move',
      'fs.copy',
      'fs.remove',
      'text.extract',
      'text.diff',
      'fs.search',
      'text.markdown',
      'table.read',
      'table.write',
      'table.sum',
      'table.join',
      'archive.create',
      'archive.extract',
      'image.info',
      'invoice.read',
      'invoice.sort',
      'report.render',
      'report.document',
    ]);
  });

  it('names the tools there are when one is asked for that there is not', async () => {
    await expect(call('fs.delete')).rejects.toMatchObject({
      failure: {
        code: 'unknown-tool',
        message: expect.stringMatching(/^there is no tool "fs\.delete"; there are: noop, fs\.write/),
      },
    });
  });

  it('names the argument that is wrong', async () => {
    await expect(call('fs.write', { path: 'a.txt' })).rejects.toMatchObject({
      failure: { code: 'bad-arguments', message: expect.stringMatching(/^fs\.write: \/with\/args\/text: /) },
    });
    await expect(call('noop', { loud: true })).rejects.toMatchObject({
      failure: { message: 'noop: /with/args: no such field: loud' },
    });
  });
});

describe('the file tools', () => {
  it('write, and show for it the digest of the file', async () => {
    const facts = {
      path: 'outputs/a.txt',
      digest: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
      bytes: 5,
    };
    expect(await call('fs.write', { path: 'outputs/a.txt', text: 'hello' })).toEqual({
      output: facts,
      content: false,
      evidence: [{ kind: 'file', ...facts }],
    });
  });

  it('read and list as content, which never enters the log', async () => {
    await files.write('outputs/a.txt', 'hello');
    expect(await call('fs.read', { path: 'outputs/a.txt' })).toMatchObject({
      content: true,
      output: { text: 'hello', bytes: 5 },
    });
    expect(await call('fs.list')).toMatchObject({ content: true, output: [{ path: 'outputs/a.txt' }] });
  });

  it('refuse what is outside', async () => {
    await expect(call('fs.read', { path: '../run_2/a.txt' })).rejects.toMatchObject({ code: 'path-refused' });
    await expect(call('fs.move', { from: 'a.txt', to: '/tmp/a.txt' })).rejects.toMatchObject({
      code: 'path-refused',
    });
  });

  it('tell after a crash whether a move took effect', async () => {
    const reconcile = () => workspaceDriver.reconcile!(taskOf('fs.move', { from: 'a.txt', to: 'b.txt' }));
    expect(await reconcile()).toEqual({ outcome: 'unknown' });
    await files.write('a.txt', 'x');
    expect(await reconcile()).toEqual({ outcome: 'refuted' });
    await call('fs.move', { from: 'a.txt', to: 'b.txt' });
    expect(await reconcile()).toMatchObject({ outcome: 'confirmed' });
  });

  it('cannot tell of a tool that does not look', async () => {
    expect(await workspaceDriver.reconcile!(taskOf('noop', {}))).toEqual({ outcome: 'unknown' });
  });
});

describe('text.markdown', () => {
  it('makes a note of a page, with where it came from, and without its scripts', async () => {
    const html = '<h2>Ebb</h2><p>The sea <b>goes</b>.</p><script>alert(1)</script><style>p{}</style>';
    const result = await call('text.markdown', {
      path: 'n.md',
      html,
      title: 'A "title"\n---',
      url: 'https://example.org/',
    });
    const note = await textOf('n.md');
    expect(note).toContain('## Ebb\n\nThe sea **goes**.');
    expect(note).not.toContain('alert');
    expect(note.split('\n').slice(0, 3)).toEqual([
      '---',
      'title: "A \\"title\\"\\n---"',
      'url: "https://example.org/"',
    ]);
    expect(result).toMatchObject({
      content: true,
      artifacts: [{ path: 'n.md', type: 'text', mediaType: 'text/markdown' }],
    });
  });

  it('wants either HTML or text', async () => {
    await expect(call('text.markdown', { path: 'n.md' })).rejects.toMatchObject({
      failure: { code: 'bad-arguments' },
    });
    await expect(call('text.markdown', { path: 'n.md', html: 'x', text: 'y' })).rejects.toMatchObject({
      failure: { message: expect.stringContaining('expected exactly one of html, text') },
    });
  });
});

describe('report.render', () => {
  const SENTENCE = 'The moon pulls the water of the sea towards it.';
  const render = (more: Record<string, Json> = {}): Promise<StepResult> =>
    call('report.render', {
      title: 'Tides',
      topic: 'the moon',
      path: 'outputs/report.md',
      sources: [],
      ...more,
    });

  it('quotes each source with its number, word for word, and lists what failed', async () => {
    await files.write('notes/1.md', `# Moon\n\n${SENTENCE}\n`);
    const result = await render({
      sources: [{ note: 'notes/1.md', url: 'https://example.org/1', title: 'Moon', date: null }],
      failed: [{ url: 'https://example.org/2', reason: 'HTTP 500' }],
    });
    expect(result.output).toEqual({
      report: 'outputs/report.md',
      html: 'outputs/report.html',
      cited: [{ number: 1, url: 'https://example.org/1', note: 'notes/1.md' }],
      quotes: [{ note: 'notes/1.md', quote: SENTENCE }],
      failed: [{ url: 'https://example.org/2', reason: 'HTTP 500' }],
    });
    const report = await textOf('outputs/report.md');
    expect(report).toContain('1 of 2 sources were read.');
    expect(report).toContain(`> “${SENTENCE}” [1]`);
    expect(report).toContain('- <https://example.org/2>: HTTP 500');
  });

  it('lets no page write HTML or Markdown of its own into the report', async () => {
    await files.write('notes/1.md', 'Nothing to quote.\n');
    const title = '<img src=x onerror=alert(1)> [click](javascript:alert(1)) # **bold**';
    await render({
      title,
      topic: title,
      sources: [{ note: 'notes/1.md', url: 'https://example.org/"><script>', title }],
      failed: [{ url: 'x> <b>', reason: title }],
    });
    const html = await textOf('outputs/report.html');
    expect(html).not.toMatch(/<img|<script|<b>|<strong>|href="javascript/);
    expect(html).toContain('&lt;img');
  });

  it('is refused when it would not be a Markdown file, or a note is missing', async () => {
    await expect(render({ path: 'outputs/report.txt' })).rejects.toMatchObject({
      failure: { message: expect.stringContaining('expected a path that ends in .md') },
    });
    const sources = [{ note: 'notes/none.md', url: 'u', title: 't' }];
    await expect(render({ sources })).rejects.toMatchObject({ code: 'file-not-found' });
  });
});
