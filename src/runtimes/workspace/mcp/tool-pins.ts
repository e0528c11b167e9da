import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Tool } from '@modelcontextprotocol/client';
import { newId } from '../../../ids.js';
import { digestOf } from '../../../log/hash-chain.js';

/** What was approved of a server's tools: name, description and schemas, by their digest. */
export interface ToolPins {
  standing(server: string, tool: Tool): Promise<'approved' | 'unknown' | 'changed'>;
  /** Approves tools as they are now. */
  approve(server: string, tools: readonly Tool[]): Promise<void>;
}

export const pinsFile = (home: string): string => join(home, 'mcp-pins.json');

type Pins = Record<string, Record<string, { digest: string; approvedAt: string }>>;

/** Pins in one file, which is read again for every question: another process may have approved something. */
export function createToolPins(file: string): ToolPins {
  const read = async (): Promise<Pins> => {
    try {
      return JSON.parse(await readFile(file, 'utf8')) as Pins;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
      throw error;
    }
  };
  return {
    standing: async (server, tool) => {
      const pin = (await read())[server]?.[tool.name];
      if (!pin) return 'unknown';
      return pin.digest === pinOf(tool) ? 'approved' : 'changed';
    },
    approve: async (server, tools) => {
      const pins = await read();
      const approvedAt = new Date().toISOString();
      const fresh = tools.map((tool) => [tool.name, { digest: pinOf(tool), approvedAt }] as const);
      await write(file, { ...pins, [server]: { ...pins[server], ...Object.fromEntries(fresh) } });
    },
  };
}

/** All that a model or a person goes by when it decides to call a tool. */
export const pinOf = ({ name, description, inputSchema, outputSchema }: Tool): string =>
  digestOf({ name, description: description ?? '', inputSchema, outputSchema: outputSchema ?? null });

async function write(file: string, pins: Pins): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const temporary = `${file}.${newId()}.tmp`;
  const handle = await open(temporary, 'wx', 0o600);
  await handle.writeFile(`${JSON.stringify(pins, undefined, 2)}\n`);
  await handle.sync();
  await handle.close();
  await rename(temporary, file);
}
