import { constants } from 'node:fs';
import { lstat, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Artifact } from '#events/shapes.js';
import { sha256 } from '../log/hash-chain.js';
import { anchorAt, segmentsOf, type Anchor } from './anchor.js';
import { asPathError, PathRefusedError } from './errors.js';
import { createFolderFacts, type FileFacts, type FolderFacts, type Quota } from './folder-facts.js';

export { FileNotFoundError, PathRefusedError, QuotaExceededError } from './errors.js';
export type { FileFacts } from './folder-facts.js';

/** The files of one run: `inputs outputs artifacts logs evals memory` under one jail. Paths are relative, with `/`. */
export interface RunFiles {
  readonly folder: string;
  write(path: string, data: string | Uint8Array): Promise<FileFacts>;
  read(path: string): Promise<Uint8Array>;
  /** A file for reading in parts. To be closed. */
  open(path: string): Promise<OpenFile>;
  list(path: string): Promise<FileFacts[]>;
  move(from: string, to: string): Promise<FileFacts>;
  remove(path: string): Promise<void>;
  exists(path: string): Promise<boolean>;
  /** Keeps a file under its digest in `artifacts/`. */
  keep(
    data: string | Uint8Array,
    artifact: Pick<Artifact, 'type' | 'mediaType'> & { extension: string },
  ): Promise<Artifact>;
}

export interface OpenFile {
  readonly bytes: number;
  readonly digest: string;
  /** From one byte to another, both included. Closes the file at its end. */
  stream(first: number, last: number): Readable;
  close(): Promise<void>;
}

/** The files of all runs. */
export interface AgentFs {
  readonly filesOf: (runId: string) => RunFiles;
}

export interface AgentFsSettings extends Quota {
  readonly root: string;
}

const MAX_FILE_BYTES = 256 * 1024 * 1024;
const MOST_REMEMBERED = 500;
const NO_QUOTA: Quota = { maxBytes: Infinity, maxFiles: Infinity };

export function createAgentFs({ root, ...quota }: AgentFsSettings): AgentFs {
  const known = new Map<string, FolderFacts>();
  return {
    filesOf: (runId) => {
      const facts = known.get(runId) ?? createFolderFacts(quota);
      // The one that was asked for longest ago is the first to be forgotten.
      known.delete(runId);
      known.set(runId, facts);
      if (known.size > MOST_REMEMBERED) known.delete(known.keys().next().value!);
      return runFiles(root, runId, facts);
    },
  };
}

/** The files of a run. No folder is made before something is written. */
export const runFiles = (root: string, runId: string, facts?: FolderFacts): RunFiles =>
  filesOf(join(root, 'missions', runId), facts ?? createFolderFacts(NO_QUOTA));

/** The files of any folder, under the same jail as those of a run. */
export const filesIn = (folder: string, quota: Quota): RunFiles => filesOf(folder, createFolderFacts(quota));

function filesOf(folder: string, facts: FolderFacts): RunFiles {
  /** Does something with the folder a path is in and its name there. */
  async function within<T>(
    path: string,
    work: (anchor: Anchor, name: string) => Promise<T>,
    make = false,
  ): Promise<T> {
    const segments = segmentsOf(path);
    const anchor = anchorAt(folder, segments.slice(0, -1), path, make);
    try {
      return await work(anchor, segments.at(-1)!);
    } finally {
      anchor.close();
    }
  }
  const forReading = (path: string): Promise<FileHandle> =>
    within(path, (anchor, name) => openPlain(anchor.at(name), path));

  async function read(path: string): Promise<Uint8Array> {
    const handle = await forReading(path);
    try {
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  }

  async function write(path: string, data: string | Uint8Array): Promise<FileFacts> {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    const { byteLength } = bytes;
    if (byteLength > MAX_FILE_BYTES)
      throw new PathRefusedError(path, `a file may have ${MAX_FILE_BYTES} bytes`);
    await within(
      path,
      async (anchor, name) => {
        const before = await plainSize(anchor.at(name), path);
        await facts.reserve(folder, byteLength - (before ?? 0), before === undefined ? 1 : 0);
        await writeAtomically(anchor, name, bytes);
      },
      true,
    );
    return { path, digest: sha256(bytes), bytes: byteLength };
  }

  return {
    folder,
    write,
    read,
    open: async (path) => openFile(await forReading(path), (handle) => facts.digest(path, handle)),
    list: (path) => facts.list(folder, path === '' || path === '.' ? [] : segmentsOf(path)),
    move: async (from, to) => {
      segmentsOf(to);
      const bytes = await read(from);
      await within(from, (source, name) =>
        within(
          to,
          async (target, as) => {
            await plainSize(target.at(as), to);
            await rename(source.at(name), target.at(as));
          },
          true,
        ),
      );
      return { path: to, digest: sha256(bytes), bytes: bytes.byteLength };
    },
    remove: async (path) => {
      await (await forReading(path)).close();
      await within(path, (anchor, name) => rm(anchor.at(name)));
    },
    exists: (path) =>
      within(path, async (anchor, name) => (await lstat(anchor.at(name))).isFile()).catch(
        (error: unknown) => {
          if (error instanceof PathRefusedError) throw error;
          return false;
        },
      ),
    keep: async (data, { type, mediaType, extension }) => {
      const digest = sha256(data);
      const { bytes, path } = await write(`artifacts/${digest}.${extension}`, data);
      return { path, type, mediaType, digest, bytes };
    },
  };
}

/** How large a plain file is; nothing, when there is none. Whatever else is in its place is refused. */
async function plainSize(target: string, path: string): Promise<number | undefined> {
  const stats = await lstat(target).catch(() => undefined);
  if (stats && (!stats.isFile() || stats.nlink > 1))
    throw new PathRefusedError(path, 'it is not a plain file');
  return stats?.size;
}

/** Readers see the old file or the new one, and a power cut keeps one of them whole. */
async function writeAtomically(anchor: Anchor, name: string, bytes: Uint8Array): Promise<void> {
  const temporary = anchor.at(`.${randomBytes(8).toString('hex')}.tmp`);
  const handle = await open(
    temporary,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o644,
  );
  try {
    await handle.writeFile(bytes);
    await handle.sync();
    await handle.close();
    await rename(temporary, anchor.at(name));
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
}

async function openPlain(target: string, path: string): Promise<FileHandle> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(target, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stats = await handle.stat();
    if (!stats.isFile() || stats.nlink > 1) throw new PathRefusedError(path, 'it is not a plain file');
    if (stats.size > MAX_FILE_BYTES)
      throw new PathRefusedError(path, `it has more than ${MAX_FILE_BYTES} bytes`);
    return handle;
  } catch (error) {
    await handle?.close();
    throw asPathError(error, path);
  }
}

async function openFile(
  handle: FileHandle,
  digestOf: (handle: FileHandle) => Promise<string>,
): Promise<OpenFile> {
  try {
    return {
      bytes: (await handle.stat()).size,
      digest: await digestOf(handle),
      stream: (start, end) => handle.createReadStream({ start, end }),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}
