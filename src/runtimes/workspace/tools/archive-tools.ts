import { fromBufferPromise, type Entry, type ZipFile } from 'yauzl';
import yazl from 'yazl';
import { buffer } from 'node:stream/consumers';
import { z } from 'zod';
import { fail, StepFailedError } from '../../../failures/failures.js';
import { PathRefusedError } from '../../../agentfs/agentfs.js';
import { defineTool } from '../tool.js';

const path = z.string().min(1).max(1024);
/** What an archive may become: more than this is a bomb, whatever it calls itself. */
const MAX_ENTRIES = 10_000;
const MAX_BYTES = 128 * 1024 * 1024;
const MAX_RATIO = 200;

const create = defineTool({
  name: 'archive.create',
  description: 'Packs files of the run into a .zip file.',
  schema: z.strictObject({
    path: path.regex(/\.zip$/i, 'expected a path that ends in .zip'),
    files: z.array(path).min(1).max(MAX_ENTRIES),
  }),
  call: async ({ path: target, files: names }, { files }) => {
    const zip = new yazl.ZipFile();
    // Times would make another archive of the same files every time.
    const mtime = new Date(1980, 0, 1);
    for (const name of names) zip.addBuffer(Buffer.from(await files.read(name)), name, { mtime });
    zip.end();
    const facts = await files.write(target, await buffer(zip.outputStream));
    return {
      output: { ...facts, files: names.length },
      content: false,
      artifacts: [{ ...facts, type: 'download', mediaType: 'application/zip' }],
      evidence: [{ kind: 'file', ...facts }],
    };
  },
});

const extract = defineTool({
  name: 'archive.extract',
  description:
    'Unpacks a .zip file into a folder of the run: { files: [{ path, digest, bytes }] }. Nothing is written when any part of it is refused.',
  schema: z.strictObject({ path, to: path }),
  call: async ({ path: source, to }, { files, signal }) => {
    const bytes = Buffer.from(await files.read(source));
    const entries = await readZip(bytes, source, signal);
    const written = [];
    for (const { name, data } of entries) written.push({ ...(await files.write(`${to}/${name}`, data)) });
    return { output: { files: written }, content: true };
  },
});

interface Unpacked {
  readonly name: string;
  readonly data: Uint8Array;
}

/** All files of an archive, or a refusal of the whole: a path that leads out, a link, too much of anything. */
async function readZip(bytes: Buffer, source: string, signal: AbortSignal): Promise<Unpacked[]> {
  const zip = await opened(bytes, source);
  const unpacked: Unpacked[] = [];
  let total = 0;
  for await (const entry of entriesOf(zip, source)) {
    signal.throwIfAborted();
    if (entry.fileName.endsWith('/')) continue;
    refuseEntry(entry, source);
    if (unpacked.length >= MAX_ENTRIES)
      throw fail('too-heavy', `${source} holds more than ${MAX_ENTRIES} files`);
    const data = await readEntry(zip, entry, Math.min(MAX_BYTES - total, ratioLimit(entry)), source);
    total += data.byteLength;
    unpacked.push({ name: entry.fileName, data });
  }
  return unpacked;
}

/** The library itself refuses names that lead out, and archives that contradict themselves. */
async function* entriesOf(zip: ZipFile, source: string): AsyncGenerator<Entry> {
  try {
    yield* zip.eachEntry();
  } catch (error) {
    const { message } = error as Error;
    const [, name] = /(?:relative path|absolute path|characters in fileName): (.*)$/.exec(message) ?? [];
    if (name !== undefined) throw new PathRefusedError(name, `it leads out of the folder, in ${source}`);
    throw fail('not-readable', `${source} cannot be read as zip: ${message}`);
  }
}

async function opened(bytes: Buffer, source: string): Promise<ZipFile> {
  try {
    return await fromBufferPromise(bytes, {
      strictFileNames: true,
      validateEntrySizes: true,
      lazyEntries: true,
    });
  } catch (error) {
    throw fail('not-readable', `${source} cannot be read as zip: ${(error as Error).message}`);
  }
}

const ratioLimit = ({ compressedSize }: Entry): number => Math.max(1024 * 1024, compressedSize * MAX_RATIO);
const LINK = 0o120000;
const KIND = 0o170000;

/** Where the name would lead is the jail's to say; what only an archive can do is refused here. */
function refuseEntry(entry: Entry, source: string): void {
  const mode = entry.externalFileAttributes >>> 16;
  if ((mode & KIND) === LINK) throw new PathRefusedError(entry.fileName, `it is a link, in ${source}`);
  if (entry.isEncrypted()) throw fail('not-readable', `${source} is encrypted`);
  const segments = entry.fileName.split(/[/\\]/);
  if (segments.includes('..') || entry.fileName.startsWith('/') || /^[A-Za-z]:/.test(entry.fileName))
    throw new PathRefusedError(entry.fileName, `it leads out of the folder, in ${source}`);
}

async function readEntry(zip: ZipFile, entry: Entry, most: number, source: string): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of await zip.openReadStreamPromise(entry)) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).byteLength;
      if (size > most)
        throw fail('too-heavy', `${source}: ${entry.fileName} becomes more than ${most} bytes`);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    if (error instanceof StepFailedError) throw error;
    throw fail('not-readable', `${source}: ${entry.fileName}: ${(error as Error).message}`);
  }
}

export const archiveTools = [create, extract];
