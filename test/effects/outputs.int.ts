import type { Envelope } from '#events/envelope.js';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { WorkspaceCall } from '#events/actions/workspace.js';
import { runFiles, type RunFiles } from '../../src/agentfs/agentfs.js';
import { keepOutput, loadOutput } from '../../src/effects/outputs.js';
import { createHost, fakeDriver, gives, step, stopHostsAfterEach } from '../support/host.js';
import { removeFolder, tempFolder } from '../support/temp.js';

stopHostsAfterEach();
let root: string;
let files: RunFiles;
beforeEach(async () => {
  root = await tempFolder();
  files = runFiles(root, 'run_1');
});
afterEach(() => removeFolder(root));

/** A text whose JSON has this many bytes. */
const textOf = (bytes: number): string => 'x'.repeat(bytes - 2);

describe('an output', () => {
  it('of our own making stands in the event, by its digest too', async () => {
    expect(await keepOutput(files, { b: 1, a: 2 }, false)).toEqual({
      digest: 'd3626ac30a87e6f7a6428233b3c68299976865fa5508e4267c5415c76af7a772',
      bytes: 13,
      inline: { b: 1, a: 2 },
    });
    expect(await files.list('.')).toEqual([]);
  });

  it('of 64 KiB stands in the event, and of one byte more in a file', async () => {
    expect(await keepOutput(files, textOf(65_536), false)).toMatchObject({
      bytes: 65_536,
      inline: expect.any(String),
    });
    const large = await keepOutput(files, textOf(65_537), false);
    expect(large).toEqual({ digest: large.digest, bytes: 65_537, path: `artifacts/${large.digest}.json` });
    expect(await loadOutput(files, large)).toBe(textOf(65_537));
  });

  it('is measured in bytes, not in characters', async () => {
    expect(await keepOutput(files, 'ä'.repeat(40_000), false)).not.toHaveProperty('inline');
  });

  it('that holds page or file content never stands in the event, however small', async () => {
    const kept = await keepOutput(files, 'from a page', true);
    expect(kept).not.toHaveProperty('inline');
    expect(await readFile(join(files.folder, kept.path!), 'utf8')).toBe('"from a page"');
    expect(await loadOutput(files, kept)).toBe('from a page');
  });

  it('that there is none of is null', async () => {
    expect(await loadOutput(files, undefined)).toBeNull();
    expect(await loadOutput(files, { digest: '0'.repeat(64), bytes: 0 })).toBeNull();
  });

  it('of a run stays out of its log when it is content, and the next step gets it all the same', async () => {
    const host = await createHost();
    const driver = fakeDriver({ a: () => gives({ text: 'from a page' }, true) });
    await host.work(driver);
    const args = { said: '{{ steps.a.output.text }}' };
    const runId = await host.submit([step('a'), step('b', { needs: ['a'], with: { tool: 'noop', args } })]);
    await host.ends(runId, 'succeeded');
    expect(driver.asked[1]!.step.with).toMatchObject({ args: { said: 'from a page' } });
    expect(JSON.stringify(await host.history(runId))).not.toContain('from a page');
  });

  it('that is a list of items stays out of the log too', async () => {
    const host = await createHost();
    const driver = fakeDriver({ a: () => gives(['private one', 'private two'], true) });
    await host.work(driver);
    const each = step('each', {
      needs: ['a'],
      forEach: '{{ steps.a.output }}',
      with: { tool: 'noop', args: { is: '{{ item }}' } },
    });
    const runId = await host.submit([step('a'), each]);
    await host.ends(runId, 'succeeded');
    const items = driver.asked.slice(1).map((task) => (task.step.with as WorkspaceCall).args.is as string);
    expect(items.toSorted()).toEqual(['private one', 'private two']);
    expect(JSON.stringify(await host.history(runId))).not.toContain('private');
  });
});

describe('a step whose arguments', () => {
  it('do not fit any more once they are resolved fails, naming the place, before its driver is asked', async () => {
    const host = await createHost();
    const driver = fakeDriver();
    await host.work(driver);
    const runId = await host.submit([
      step('a', { with: { tool: 'noop', args: {}, server: '{{ inputs.none }}' } }),
    ]);
    const state = await host.ends(runId, 'failed');
    expect(state.snapshot.context.failure).toMatchObject({
      kind: 'input',
      code: 'bad-arguments',
      message: expect.stringMatching(/^step a: after its expressions were resolved, \/with\/server: /),
    });
    expect(driver.asked).toEqual([]);
  });

  it('make more children than the run may have steps pause it, until the limit is raised', async () => {
    const host = await createHost();
    await host.work(fakeDriver());
    const limits = { maxSteps: 3 };
    const runId = await host.submit([step('each', { forEach: '{{ inputs.list }}' })], {
      limits,
      inputs: { list: [1, 2, 3] },
    });
    const state = await host.ends(runId, 'paused');
    expect(state.snapshot.context.exhausted).toBe('maxSteps');
    const last = (await host.history(runId)).find(
      ({ body }) => (body as Envelope).type === 'skyagent.budget.exhausted',
    );
    expect((last!.body as Envelope).data).toEqual({
      budget: 'maxSteps',
      limit: 3,
      wanted: 4,
      stepId: 'each',
    });
    await host.tell(runId, { kind: 'RaiseBudget', limits: { maxSteps: 4 } });
    await host.tell(runId, { kind: 'ResumeRun' });
    await host.ends(runId, 'succeeded');
  });

  it('fail to resolve fails, and is not tried again: it would come out the same', async () => {
    const host = await createHost();
    await host.work(fakeDriver());
    const args = { n: '{{ $sum("x") }}' };
    const runId = await host.submit([
      step('a', { retry: { max: 3, backoffMs: 1 }, with: { tool: 'noop', args } }),
    ]);
    const state = await host.ends(runId, 'failed');
    expect(state.snapshot.context.failure).toMatchObject({ code: 'bad-expression' });
    expect(await host.told(runId)).not.toContain('step.retried a');
  });
});
