import type { RunFiles } from '../../src/agentfs/agentfs.js';
import { sha256 } from '../../src/log/hash-chain.js';

/** A run's folder in memory. The missions here keep their outputs in the log, so no step has anything to list or move. */
export function simulatedFiles(): RunFiles {
  const files = new Map<string, Uint8Array>();
  const refuse = (): Promise<never> => Promise.reject(new Error('not in the simulation'));
  const write: RunFiles['write'] = (path, data) => {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    files.set(path, bytes);
    return Promise.resolve({ path, digest: sha256(bytes), bytes: bytes.byteLength });
  };
  return {
    folder: '/simulated',
    write,
    read: (path) => {
      const bytes = files.get(path);
      return bytes ? Promise.resolve(bytes) : refuse();
    },
    list: refuse,
    move: refuse,
    open: refuse,
    remove: refuse,
    exists: (path) => Promise.resolve(files.has(path)),
    keep: async (data, { type, mediaType, extension }) => {
      const digest = sha256(data);
      const { path, bytes } = await write(`artifacts/${digest}.${extension}`, data);
      return { path, type, mediaType, digest, bytes };
    },
  };
}
