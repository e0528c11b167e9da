import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { Artifact } from '#events/shapes.js';
import { sha256 } from '../log/hash-chain.js';

/** A path that would leave the run's folder, or that names something that is not a plain file or folder. */
export class PathRefusedError extends Error {
  readonly code = 'path-refused';
  constructor(
    readonly path: string,
    why: string,
  ) {
    super(`path ${JSON.stringify(path)} is refused: ${why}`);
    this.name = 'PathRefusedError';
  }
}

/** There is no such file in the run's folder. */
export class FileNotFoundError extends Error {
  readonly code = 'file-not-found';
  constructor(readonly path: string) {
    super(`there is no file ${JSON.stringify(path)} in the run's folder`);
    this.name = 'FileNotFoundError';
  }
}

export interface FileFacts {
  readonly path: string;
  readonly digest: string;
  readonly bytes: number;
}

/** The files of one run: `inputs outputs artifacts logs evals memory` under one jail. Paths are relative, with `/`. */
export interface RunFiles {
  readonly folder: string;
  write(path: string, data: string | Uint8Array): Promise<FileFacts>;
  read(path: string): Promise<Uint8Array>;
  list(path: string): Promise<FileFacts[]>;
  move(from: string, to: string): Promise<FileFacts>;
  exists(path: string): Promise<boolean>;
  /** Keeps a file under its digest in `artifacts/`. */
  keep(
    data: string | Uint8Array,
    artifact: Pick<Artifact, 'type' | 'mediaType'> & { extension: string },
  ): Promise<Artifact>;
}

const MAX_FILE_BYTES = 256 * 1024 * 1024;

/** The files of a run. No folder is made before something is written. */
export function runFiles(root: string, runId: string): RunFiles {
  const folder = join(root, 'missions', runId);
  const at = (path: string) => locate(folder, path);
  const factsOf = async (path: string): Promise<FileFacts> => {
    const bytes = await readPlain(await at(path), path);
    return { path, digest: sha256(bytes), bytes: bytes.byteLength };
  };
  const write: RunFiles['write'] = async (path, data) => {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    if (bytes.byteLength > MAX_FILE_BYTES)
      throw new PathRefusedError(path, `a file may have ${MAX_FILE_BYTES} bytes`);
    const target = await at(path);
    await makeParents(folder, path);
    await refuseUnlessPlain(target, path);
    await writeAtomically(target, bytes);
    return { path, digest: sha256(bytes), bytes: bytes.byteLength };
  };
  return {
    folder,
    write,
    read: async (path) => readPlain(await at(path), path),
    list: async (path) => {
      const found = await walk(folder, path === '' || path === '.' ? [] : segmentsOf(path));
      const facts = await Promise.all(found.sort().map((path) => factsOf(path).catch(passOver)));
      return facts.filter((each) => each !== undefined);
    },
    move: async (from, to) => {
      const [source, target] = [await at(from), await at(to)];
      const facts = await factsOf(from);
      await makeParents(folder, to);
      await refuseUnlessPlain(target, to);
      await rename(source, target);
      return { ...facts, path: to };
    },
    exists: async (path) => (await lstat(await at(path)).catch(() => undefined))?.isFile() ?? false,
    keep: async (data, { type, mediaType, extension }) => {
      const digest = sha256(data);
      const { bytes, path } = await write(`artifacts/${digest}.${extension}`, data);
      return { path, type, mediaType, digest, bytes };
    },
  };
}

/** Checks every folder on the way: none may be a link, none may be missing its place below the run's folder. */
async function locate(folder: string, path: string): Promise<string> {
  const segments = segmentsOf(path);
  let parent = folder;
  for (const segment of segments.slice(0, -1)) {
    parent = join(parent, segment);
    const facts = await lstat(parent).catch(() => undefined);
    if (facts && !facts.isDirectory()) throw new PathRefusedError(path, `${segment} is not a folder`);
  }
  return join(parent, segments.at(-1)!);
}

function segmentsOf(path: string): string[] {
  if (path === '' || path.length > 1024) throw new PathRefusedError(path, 'expected 1 to 1024 characters');
  if (path.includes('\0') || path.includes('\\'))
    throw new PathRefusedError(path, 'it holds a NUL or a backslash');
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) throw new PathRefusedError(path, 'it is absolute');
  const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.');
  if (segments.length === 0 || segments.includes('..'))
    throw new PathRefusedError(path, "it leaves the run's folder");
  return segments;
}

async function makeParents(folder: string, path: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await mkdir(dirname(join(folder, ...segmentsOf(path))), { recursive: true });
  await locate(folder, path);
}

async function refuseUnlessPlain(target: string, path: string): Promise<void> {
  const facts = await lstat(target).catch(() => undefined);
  if (facts && (!facts.isFile() || facts.nlink > 1))
    throw new PathRefusedError(path, 'it is not a plain file');
}

/** Readers see the old file or the new one, and a power cut keeps one of them whole. */
async function writeAtomically(target: string, bytes: Uint8Array): Promise<void> {
  const temporary = join(dirname(target), `.${randomBytes(8).toString('hex')}.tmp`);
  const handle = await open(
    temporary,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o644,
  );
  try {
    await handle.writeFile(bytes);
    await handle.sync();
    await handle.close();
    await rename(temporary, target);
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
}

async function readPlain(target: string, path: string): Promise<Uint8Array> {
  const handle = await openForReading(target, path);
  try {
    const facts = await handle.stat();
    if (!facts.isFile() || facts.nlink > 1) throw new PathRefusedError(path, 'it is not a plain file');
    if (facts.size > MAX_FILE_BYTES)
      throw new PathRefusedError(path, `it has more than ${MAX_FILE_BYTES} bytes`);
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

async function openForReading(target: string, path: string): Promise<FileHandle> {
  try {
    return await open(target, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new FileNotFoundError(path);
    throw new PathRefusedError(path, code === 'ELOOP' ? 'it is a link' : `it cannot be opened (${code})`);
  }
}

/** A list shows what can be read: not a hard link, nor a file that went away while it was made. */
function passOver(error: unknown): undefined {
  if (!(error instanceof PathRefusedError || error instanceof FileNotFoundError)) throw error;
}

/** What `writeAtomically` calls a file that is not whole yet. */
const TEMPORARY = /^\.[0-9a-f]{16}\.tmp$/;

/** Plain files below a folder; links and temporary files are passed over. */
async function walk(folder: string, segments: string[]): Promise<string[]> {
  const here = segments.length > 0 ? join(await locate(folder, segments.join('/'))) : folder;
  const entries = await readdir(here, { withFileTypes: true }).catch(() => []);
  const found = await Promise.all(
    entries.map((entry) => {
      const path = [...segments, entry.name];
      if (entry.isDirectory()) return walk(folder, path);
      return entry.isFile() && !TEMPORARY.test(entry.name) ? [path.join('/')] : [];
    }),
  );
  return found.flat();
}
