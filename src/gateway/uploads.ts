import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import type { FileFacts, RunFiles } from '../agentfs/agentfs.js';
import type { Uploads } from '../runs/submit-mission.js';
import { readJson } from './guard-requests.js';
import { refuse } from './problem.js';

/** Of one file, and of all files of a mission; in bytes. */
export const MAX_UPLOAD_BYTES = 64 * 1024 * 1024;
export const MAX_UPLOADS = 200;

/** A mission that came with files: they lie in a folder of their own until the run has an id. */
export interface MissionForm {
  readonly mission: unknown;
  readonly uploads: Uploads;
  /** Removes what was not taken. */
  discard(): Promise<void>;
}

/** Reads `multipart/form-data`: a field `mission` with the JSON, and files, each kept as `inputs/<its name>`. */
export async function readMissionForm(
  request: FastifyRequest,
  spool: string,
  filesOf: (runId: string) => RunFiles,
): Promise<MissionForm> {
  const folder = join(spool, randomUUID());
  await mkdir(folder, { recursive: true });
  const discard = () => rm(folder, { recursive: true, force: true });
  try {
    const found: { facts: FileFacts; at: string }[] = [];
    let mission: unknown;
    for await (const part of request.parts()) {
      if (part.type === 'file') found.push(await keep(part, join(folder, String(found.length)), found));
      else if (part.fieldname === 'mission') mission = readJson(String(part.value));
      else
        throw refuse(422, 'unknown-field', `there is no field "${part.fieldname}"`, {
          hint: 'send `mission`, and files',
        });
    }
    if (mission === undefined)
      throw refuse(422, 'no-mission', 'the form has no field `mission`', {
        hint: 'send the mission as JSON in it',
      });
    const place = async (runId: string): Promise<void> => {
      const files = filesOf(runId);
      for (const { facts, at } of found) await files.write(facts.path, await readFile(at));
    };
    return { mission, uploads: { facts: found.map(({ facts }) => facts), place }, discard };
  } catch (error) {
    await discard();
    throw asProblem(error);
  }
}

async function keep(
  part: MultipartFile,
  at: string,
  before: readonly { facts: FileFacts }[],
): Promise<{ facts: FileFacts; at: string }> {
  if (!part.filename || part.filename === '.' || part.filename === '..')
    throw refuse(422, 'no-file-name', 'a file of the form has no name', { hint: 'give it its name' });
  const path = `inputs/${part.filename}`;
  if (before.some(({ facts }) => facts.path === path))
    throw refuse(422, 'same-file-twice', `two files are called "${part.filename}"`);
  const { digest, bytes } = await spooled(part.file, at);
  if (part.file.truncated)
    throw refuse(413, 'file-too-large', `${part.filename} has more than ${MAX_UPLOAD_BYTES} bytes`);
  return { facts: { path, digest, bytes }, at };
}

async function spooled(file: Readable, at: string): Promise<{ digest: string; bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  const measure = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      hash.update(chunk);
      bytes += chunk.byteLength;
      done(null, chunk);
    },
  });
  await pipeline(file, measure, createWriteStream(at));
  return { digest: hash.digest('hex'), bytes };
}

function asProblem(error: unknown): unknown {
  const { code } = error as { code?: string };
  if (code === 'FST_FILES_LIMIT')
    return refuse(413, 'too-many-files', `a mission takes ${MAX_UPLOADS} files`);
  if (code === 'FST_REQ_FILE_TOO_LARGE')
    return refuse(413, 'file-too-large', `a file may have ${MAX_UPLOAD_BYTES} bytes`);
  if (code === 'FST_PARTS_LIMIT' || code === 'FST_FIELDS_LIMIT')
    return refuse(413, 'too-many-fields', 'the form has too many fields');
  return error;
}
