import { McpServer, type CallToolResult } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';
import type { RunFiles } from '../agentfs/agentfs.js';
import { asFailure } from '../effects/effect.js';
import { isSafeToRepeat } from '#machines/step/safety.js';
import { createBudgets } from '../runs/budget.js';
import type { Tool } from '../runtimes/workspace/tool.js';
import { told } from './results.js';

/** The built-in workspace tools over one folder, for any agent that speaks MCP. The folder's jail and quota hold as in a run. */
export function createWorkspaceServer(tools: readonly Tool[], files: RunFiles): McpServer {
  const server = new McpServer({ name: 'skyagentos-workspace', version: '0.1.0' });
  for (const tool of tools) {
    const readOnlyHint = READS.has(tool.name);
    server.registerTool(
      tool.name,
      {
        description: tool.description,
        inputSchema: tool.schema as z.ZodObject,
        annotations: { readOnlyHint, idempotentHint: isRepeatable(tool.name), openWorldHint: false },
      },
      (args, { mcpReq }) => answer(tool, args, files, mcpReq.signal),
    );
  }
  return server;
}

const READS: ReadonlySet<string> = new Set([
  'noop',
  'fs.read',
  'fs.list',
  'fs.search',
  'text.extract',
  'text.diff',
  'table.read',
  'table.sum',
  'table.join',
  'image.info',
  'invoice.read',
  'invoice.sort',
]);
const isRepeatable = (tool: string): boolean =>
  isSafeToRepeat({ id: 'a', title: 'a', do: 'workspace.call', with: { tool, args: {} } });

/** No limits: whoever asks pays for its own models. */
const budgets = createBudgets(() => ({ limits: {}, spent: { tokens: 0, costUsd: 0 } }));

async function answer(
  tool: Tool,
  args: unknown,
  files: RunFiles,
  signal: AbortSignal,
): Promise<CallToolResult> {
  try {
    const mayAct = () => Promise.resolve(signal.throwIfAborted());
    const context = { files, signal, mayAct, idempotencyKey: tool.name, budget: budgets.open(tool.name) };
    const { output } = await tool.call(args, context);
    return told(
      output !== null && typeof output === 'object' && !Array.isArray(output) ? output : { result: output },
    );
  } catch (error) {
    signal.throwIfAborted();
    const { code, message, hint } = asFailure(error);
    return { isError: true, content: [{ type: 'text', text: `${code}: ${message}\n→ ${hint}` }] };
  }
}

/** Serves them over standard input and output, until the input ends. */
export async function serveWorkspaceOverStdio(tools: readonly Tool[], files: RunFiles): Promise<void> {
  const handle = serveStdio(() => createWorkspaceServer(tools, files), { legacy: 'serve' });
  await new Promise<void>((resolve) => {
    process.stdin.once('end', resolve).once('close', resolve);
  });
  await handle.close();
}
