import type { Json, Output } from '#events/shapes.js';
import type { RunContext } from '#machines/run/run.context.js';
import { planStepOf, stepById } from '#machines/run/run.context.js';
import { childrenOf } from '#machines/run/run.schedule.js';
import type { StepRecord } from '#machines/step/move-step.js';
import type { RunFiles } from '../agentfs/agentfs.js';
import { canonicalJson, sha256 } from '../log/hash-chain.js';
import { stepsMentioned, type Scope } from './resolve.js';

export const MAX_INLINE_BYTES = 64 * 1024;

/** Keeps a step's output: in the event when it is small and of our own making, else as a JSON artifact. */
export async function keepOutput(files: RunFiles, value: Json, content: boolean): Promise<Output> {
  const text = canonicalJson(value);
  const bytes = Buffer.byteLength(text);
  if (!content && bytes <= MAX_INLINE_BYTES) return { digest: sha256(text), bytes, inline: value };
  const { digest, path } = await files.keep(text, {
    type: 'output',
    mediaType: 'application/json',
    extension: 'json',
  });
  return { digest, bytes, path };
}

export async function loadOutput(files: RunFiles, output: Output | undefined): Promise<Json> {
  if (!output) return null;
  if (output.path === undefined) return output.inline ?? null;
  return JSON.parse(new TextDecoder().decode(await files.read(output.path))) as Json;
}

/** What a step gave: its output, its failure when it was allowed to fail, a list of both for a `forEach` step. */
async function valueOf(files: RunFiles, context: RunContext, step: StepRecord): Promise<Json> {
  if (step.failure) return { failure: step.failure } as unknown as Json;
  if (step.children === undefined) return loadOutput(files, step.output);
  return Promise.all(childrenOf(context, step).map((child) => valueOf(files, context, child)));
}

/** What the expressions in `text` may see, with the outputs they mention loaded. */
export async function scopeFor(
  files: RunFiles,
  context: RunContext,
  text: unknown,
  step?: StepRecord,
): Promise<Scope> {
  const { mission } = context;
  const mentioned = [...stepsMentioned(text)].flatMap((id) => stepById(context, id) ?? []);
  const steps = await Promise.all(
    mentioned.map(async (found) => [found.id, { output: await valueOf(files, context, found) }] as const),
  );
  return {
    inputs: mission.inputs,
    mission: { id: mission.id, objective: mission.objective ?? null, metadata: mission.metadata },
    steps: Object.fromEntries(steps),
    ...(step?.item !== undefined && { item: await itemOf(files, context, step) }),
  };
}

async function itemOf(files: RunFiles, context: RunContext, child: StepRecord): Promise<Json> {
  const parent = stepById(context, planStepOf(context, child).id);
  const items = await loadOutput(files, parent?.items);
  return (Array.isArray(items) ? items[child.item!] : null) ?? null;
}
