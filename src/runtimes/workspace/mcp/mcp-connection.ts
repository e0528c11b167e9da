import { pathToFileURL } from 'node:url';
import type { CallToolResult, Tool, Transport } from '@modelcontextprotocol/client';
import { environmentOf } from '../../../config.js';
import { isStdio, type McpServerSettings, type StdioServer } from './mcp-servers.js';

/** A server that is connected. */
export interface McpConnection {
  /** False once the server has gone, or said what is no message. */
  readonly open: boolean;
  tools(): Promise<readonly Tool[]>;
  call(tool: string, args: Record<string, unknown>, signal: AbortSignal): Promise<CallToolResult>;
  close(): Promise<void>;
}

/** Stands in the arguments, the environment and the folder of a server for the folder of the run. */
const RUN_FOLDER = '${RUN_FOLDER}';
/** Longest message of a server: what says more is cut off. */
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;
const VERSION = '0.1.0';

/** Starts or reaches a server. `folder` is the run's, and the only root that the server is told of. */
export async function connectMcp(
  settings: McpServerSettings,
  folder: string | undefined,
): Promise<McpConnection> {
  // Loaded with the first server: most deployments have none.
  const { Client } = await import('@modelcontextprotocol/client');
  const client = new Client(
    { name: 'skyagentos', version: VERSION },
    {
      capabilities: { roots: {} },
      versionNegotiation: { mode: settings.era === 'modern' ? { pin: '2026-07-28' } : settings.era },
    },
  );
  const roots = folder === undefined ? [] : [{ uri: pathToFileURL(folder).href, name: 'run' }];
  client.setRequestHandler('roots/list', () => ({ roots }));
  const { timeoutMs: timeout } = settings;
  await client.connect(await transportOf(settings, folder), { timeout });
  return {
    get open() {
      return client.transport !== undefined;
    },
    tools: async () => (await client.listTools(undefined, { timeout })).tools,
    call: (name, args, signal) =>
      client.callTool({ name, arguments: args }, { signal, timeout, maxTotalTimeout: timeout }),
    close: () => client.close(),
  };
}

async function transportOf(settings: McpServerSettings, folder: string | undefined): Promise<Transport> {
  if (isStdio(settings)) return stdioTransport(settings, folder);
  const { StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client');
  return new StreamableHTTPClientTransport(new URL(settings.url), {
    requestInit: { headers: settings.headers },
  });
}

async function stdioTransport(
  { command, args, env, inheritEnv, cwd }: StdioServer,
  folder: string | undefined,
): Promise<Transport> {
  const { getDefaultEnvironment, StdioClientTransport } = await import('@modelcontextprotocol/client/stdio');
  const placed = (text: string): string => text.replaceAll(RUN_FOLDER, folder ?? '');
  const own = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, placed(value)]));
  const where = cwd === undefined ? folder : placed(cwd);
  return new StdioClientTransport({
    command,
    args: args.map(placed),
    env: { ...getDefaultEnvironment(), ...environmentOf(inheritEnv), ...own },
    // What a server says there may be anything, and belongs to nobody's log.
    stderr: 'ignore',
    maxBufferSize: MAX_MESSAGE_BYTES,
    ...(where !== undefined && { cwd: where }),
  });
}
