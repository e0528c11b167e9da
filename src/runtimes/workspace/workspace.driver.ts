import type { WorkspaceCall } from '#events/actions/workspace.js';
import { fail } from '../../failures/failures.js';
import { bestIssues } from '../../mission/issues.js';
import type { Driver, StepTask } from '../driver.js';
import { callMcp, type McpDeps } from './mcp/mcp-call.js';
import type { Tool } from './tool.js';
import { archiveTools } from './tools/archive-tools.js';
import { createDocumentTool, type PrintPdf } from './tools/document.tool.js';
import { fileTools } from './tools/file-tools.js';
import { imageTool } from './tools/image.tool.js';
import { invoiceTools } from './tools/invoice/invoice-tools.js';
import { markdownTool } from './tools/markdown.tool.js';
import { reportTool } from './tools/report.tool.js';
import { tableTools } from './tools/table-tools.js';
import { textTools } from './tools/text-tools.js';

/** The tools that every deployment has; what is printed is printed by `printPdf`. */
export const createBuiltInTools = (printPdf?: PrintPdf): readonly Tool[] => [
  ...fileTools,
  ...textTools,
  markdownTool,
  ...tableTools,
  ...archiveTools,
  imageTool,
  ...invoiceTools,
  reportTool,
  createDocumentTool(printPdf),
];
export const builtInTools: readonly Tool[] = createBuiltInTools();

/** `workspace.call` with these tools, and with those of MCP servers. */
export function createWorkspaceDriver(tools: readonly Tool[], mcp?: McpDeps): Driver {
  const toolsByName = new Map(tools.map((tool) => [tool.name, tool]));
  return {
    name: 'workspace',
    runtime: 'workspace',
    handles: ['workspace.call'],
    execute: async (task) => {
      if (mcp && isOfServer(task)) return callMcp(mcp, task);
      const { tool, args } = callOf(toolsByName, task);
      return tool.call(args, task);
    },
    reconcile: async (task) => {
      // What the tool of another did, nobody here can tell.
      if (isOfServer(task)) return { outcome: 'unknown' };
      const { tool, args } = callOf(toolsByName, task);
      return tool.reconcile ? tool.reconcile(args, task) : { outcome: 'unknown' };
    },
    ...(mcp && { close: () => mcp.pool.close() }),
  };
}

const isOfServer = ({ step }: StepTask): boolean => (step.with as WorkspaceCall).server !== undefined;

export const workspaceDriver: Driver = createWorkspaceDriver(builtInTools);

function callOf(toolsByName: ReadonlyMap<string, Tool>, task: StepTask): { tool: Tool; args: unknown } {
  const call = task.step.with as WorkspaceCall;
  const tool = toolsByName.get(call.tool);
  if (!tool)
    throw fail(
      'unknown-tool',
      `there is no tool "${call.tool}"; there are: ${[...toolsByName.keys()].join(', ')}`,
    );
  const parsed = tool.schema.safeParse(call.args);
  if (parsed.success) return { tool, args: parsed.data };
  const [first] = bestIssues(parsed.error.issues, ['with', 'args']);
  throw fail('bad-arguments', `${tool.name}: ${first?.pointer}: ${first?.message}`);
}
