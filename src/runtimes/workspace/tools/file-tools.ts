import { z } from 'zod';
import type { Evidence, Json } from '#events/shapes.js';
import type { FileFacts } from '../../../agentfs/agentfs.js';
import { sha256 } from '../../../log/hash-chain.js';
import { defineTool } from '../tool.js';

const path = z.string().min(1).max(1024);
const asEvidence = (facts: FileFacts): Evidence => ({ kind: 'file', ...facts });
const asJson = (facts: FileFacts): Json => ({ ...facts });

const noop = defineTool({
  name: 'noop',
  description: 'Does nothing and returns nothing: for trying and measuring.',
  schema: z.strictObject({}),
  call: () => Promise.resolve({ output: null, content: false }),
});

const write = defineTool({
  name: 'fs.write',
  description: 'Writes a text file, whole and atomically.',
  schema: z.strictObject({ path, text: z.string() }),
  call: async (args, { files }) => {
    const facts = await files.write(args.path, args.text);
    return { output: asJson(facts), content: false, evidence: [asEvidence(facts)] };
  },
});

const read = defineTool({
  name: 'fs.read',
  description: 'Reads a text file: { path, text, digest, bytes }.',
  schema: z.strictObject({ path }),
  call: async (args, { files }) => {
    const bytes = await files.read(args.path);
    const text = new TextDecoder().decode(bytes);
    return {
      output: { path: args.path, text, bytes: bytes.byteLength, digest: sha256(bytes) },
      content: true,
    };
  },
});

const list = defineTool({
  name: 'fs.list',
  description: 'Lists the files below a folder, with SHA-256 and size.',
  schema: z.strictObject({ path: z.string().max(1024).default('.') }),
  call: async (args, { files }) => ({ output: (await files.list(args.path)).map(asJson), content: true }),
});

const move = defineTool({
  name: 'fs.move',
  description: 'Moves a file inside the run’s folder.',
  schema: z.strictObject({ from: path, to: path }),
  call: async (args, { files }) => {
    const facts = await files.move(args.from, args.to);
    return { output: asJson(facts), content: false, evidence: [asEvidence(facts)] };
  },
  reconcile: async (args, { files }) => {
    const [source, target] = await Promise.all([files.exists(args.from), files.exists(args.to)]);
    if (source) return { outcome: 'refuted' };
    if (!target) return { outcome: 'unknown' };
    const facts = { path: args.to };
    return { outcome: 'confirmed', result: { output: facts, content: false } };
  },
});

const copy = defineTool({
  name: 'fs.copy',
  description: 'Copies a file inside the run’s folder.',
  schema: z.strictObject({ from: path, to: path }),
  call: async (args, { files }) => {
    const facts = await files.write(args.to, await files.read(args.from));
    return { output: asJson(facts), content: false, evidence: [asEvidence(facts)] };
  },
});

const remove = defineTool({
  name: 'fs.remove',
  description: 'Removes a file from the run’s folder.',
  schema: z.strictObject({ path }),
  call: async (args, { files }) => {
    await files.remove(args.path);
    return { output: { path: args.path, removed: true }, content: false };
  },
  reconcile: async (args, { files }) =>
    (await files.exists(args.path))
      ? { outcome: 'refuted' }
      : { outcome: 'confirmed', result: { output: { path: args.path, removed: true }, content: false } },
});

export const fileTools = [noop, write, read, list, move, copy, remove];
