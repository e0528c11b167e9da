import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { runFiles } from '../../../src/agentfs/agentfs.js';
import { createBudgets } from '../../../src/runs/budget.js';
import type { ToolContext } from '../../../src/runtimes/workspace/tool.js';
import { effectTool } from '../../../src/runtimes/workspace/tools/effect.tool.js';
import { builtInTools } from '../../../src/runtimes/workspace/workspace.driver.js';
import { startWitness, type Witness } from '../../chaos/witness.js';

let witness: Witness;
beforeEach(async () => {
  witness = await startWitness(0);
});
afterEach(() => witness.close());

const context = (more: Partial<ToolContext> = {}): ToolContext => ({
  files: runFiles('/nowhere', 'run_1'),
  idempotencyKey: 'run_1/a',
  signal: new AbortController().signal,
  mayAct: () => Promise.resolve(),
  budget: createBudgets(() => ({ limits: {}, spent: { tokens: 0, costUsd: 0 } })).open('a'),
  ...more,
});
const act = (delayMs: number, more?: Partial<ToolContext>) =>
  effectTool.call({ url: witness.url, delayMs, costUsd: 0 }, context(more));
const look = () => effectTool.reconcile!({ url: witness.url, delayMs: 0 }, context());

describe('the tool whose acts a test counts', () => {
  it('is none of the built-in tools', () => {
    expect(builtInTools.map(({ name }) => name)).not.toContain(effectTool.name);
  });

  it('speaks to this machine alone', () => {
    expect(effectTool.schema.safeParse({ url: 'http://example.org' }).success).toBe(false);
    expect(effectTool.schema.safeParse({ url: witness.url }).success).toBe(true);
  });

  it('tells the witness once, by its idempotency key', async () => {
    await act(0);
    expect(witness.seen.map(({ key, pid }) => [key, pid])).toEqual([['run_1/a', process.pid]]);
  });

  it('asks the witness whether it has acted', async () => {
    expect(await look()).toEqual({ outcome: 'refuted' });
    await act(0);
    expect(await look()).toMatchObject({ outcome: 'confirmed' });
  });

  it('does not act once it was told to stop, or may not act', async () => {
    await expect(act(10_000, { signal: AbortSignal.timeout(10) })).rejects.toThrow('aborted');
    await expect(act(0, { mayAct: () => Promise.reject(new Error('lost')) })).rejects.toThrow('lost');
    expect(witness.seen).toEqual([]);
  });
});
