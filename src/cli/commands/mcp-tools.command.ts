import type { Tool } from '@modelcontextprotocol/client';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../../config.js';
import { connectMcp } from '../../runtimes/workspace/mcp/mcp-connection.js';
import { readMcpServers } from '../../runtimes/workspace/mcp/mcp-servers.js';
import { createToolPins, pinsFile } from '../../runtimes/workspace/mcp/tool-pins.js';
import { CliError, EXIT } from '../exit-codes.js';
import { print, printJson } from '../output.js';

interface ToolsOptions {
  readonly json?: boolean;
}

/** The tools of a server, and which of them were approved as they are now. */
export async function tools(config: Config, { json }: ToolsOptions, server: string): Promise<void> {
  const pins = createToolPins(pinsFile(config.home));
  const found = await toolsOf(config, server);
  const told = await Promise.all(
    found.map(async (tool) => ({
      name: tool.name,
      standing: await pins.standing(server, tool),
      description: tool.description ?? '',
      inputSchema: tool.inputSchema,
    })),
  );
  if (json) return printJson({ server, tools: told });
  for (const { name, standing, description } of told)
    print(`${standing.padEnd(9)} ${name}  ${description.split('\n')[0]!.slice(0, 100)}`);
}

/** Approves tools of a server as they are now: those that are named, or all. */
export async function approve(
  config: Config,
  { json }: ToolsOptions,
  server: string,
  names: readonly string[],
): Promise<void> {
  const found = await toolsOf(config, server);
  const missing = names.filter((name) => !found.some((tool) => tool.name === name));
  if (missing.length > 0)
    throw new CliError(
      EXIT.usage,
      `${server} has no tool ${missing.join(', ')}; it has: ${found.map(({ name }) => name).join(', ')}`,
    );
  const chosen = found.filter(({ name }) => names.length === 0 || names.includes(name));
  await createToolPins(pinsFile(config.home)).approve(server, chosen);
  const approved = chosen.map(({ name }) => name);
  if (json) printJson({ server, approved });
  else print(`approved of ${server}: ${approved.join(', ')}`);
}

/** Starts a server in a folder of its own, asks for its tools, and ends it. */
async function toolsOf(config: Config, server: string): Promise<readonly Tool[]> {
  const servers = config.mcpServersFile ? readMcpServers(config.mcpServersFile) : new Map<string, never>();
  const settings = servers.get(server);
  if (!settings) {
    const known = [...servers.keys()].join(', ') || 'none: set SKYAGENT_MCP_SERVERS';
    throw new CliError(EXIT.usage, `there is no MCP server "${server}"; there are: ${known}`);
  }
  const folder = await mkdtemp(join(tmpdir(), 'skyagent-mcp-'));
  try {
    const connection = await connectMcp(settings, settings.shared ? undefined : folder);
    try {
      return await connection.tools();
    } finally {
      await connection.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
