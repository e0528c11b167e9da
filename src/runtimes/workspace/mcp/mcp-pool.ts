import { mkdir } from 'node:fs/promises';
import { StepFailedError } from '../../../failures/failures.js';
import { connectMcp, type McpConnection } from './mcp-connection.js';
import type { McpServers, McpServerSettings } from './mcp-servers.js';

/** Connections that are kept for a while after their last use. */
export interface McpPool {
  readonly names: readonly string[];
  settingsOf(server: string): McpServerSettings | undefined;
  /** Does something with a server of a run. One that has gone is started again. */
  use<T>(server: string, folder: string, work: (connection: McpConnection) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/**
 * How long a server nobody uses stays up. A run's next step is mostly near; and of a run that has ended nothing is left
 * after five seconds.
 */
const IDLE_MS = 4_000;
const SHARED_IDLE_MS = 300_000;

interface Entry {
  readonly connecting: Promise<McpConnection>;
  users: number;
  idle?: NodeJS.Timeout;
}

export function createMcpPool(servers: McpServers, connect: typeof connectMcp = connectMcp): McpPool {
  const entries = new Map<string, Entry>();

  async function entryOf(
    key: string,
    settings: McpServerSettings,
    folder: string | undefined,
  ): Promise<Entry> {
    const known = entries.get(key);
    if (known && (await isOpen(known))) return known;
    const raced = entries.get(key);
    if (raced && raced !== known) return raced;
    const entry: Entry = { connecting: begin(settings, folder), users: 0 };
    entries.set(key, entry);
    entry.connecting.catch(() => forget(key, entry));
    return entry;
  }

  async function begin(settings: McpServerSettings, folder: string | undefined): Promise<McpConnection> {
    if (folder !== undefined) await mkdir(folder, { recursive: true });
    return connect(settings, folder);
  }

  function forget(key: string, entry: Entry): void {
    clearTimeout(entry.idle);
    if (entries.get(key) === entry) entries.delete(key);
  }

  async function letGo(key: string, entry: Entry): Promise<void> {
    forget(key, entry);
    await entry.connecting.then((connection) => connection.close()).catch(() => undefined);
  }

  return {
    names: [...servers.keys()],
    settingsOf: (server) => servers.get(server),
    use: async (server, folder, work) => {
      const settings = servers.get(server)!;
      const key = settings.shared ? server : `${server} ${folder}`;
      const entry = await entryOf(key, settings, settings.shared ? undefined : folder);
      clearTimeout(entry.idle);
      entry.users++;
      try {
        return await work(await entry.connecting);
      } catch (error) {
        // A call that was given up may go on in the server: with the process of the run, it ends.
        if (!settings.shared && !(error instanceof StepFailedError)) await letGo(key, entry);
        throw error;
      } finally {
        entry.users--;
        if (entry.users === 0 && entries.get(key) === entry) {
          const idleMs = settings.shared ? SHARED_IDLE_MS : IDLE_MS;
          entry.idle = setTimeout(() => void letGo(key, entry), idleMs).unref();
        }
      }
    },
    close: async () => {
      await Promise.all([...entries].map(([key, entry]) => letGo(key, entry)));
    },
  };
}

const isOpen = (entry: Entry): Promise<boolean> =>
  entry.connecting.then(
    (connection) => connection.open,
    () => false,
  );
