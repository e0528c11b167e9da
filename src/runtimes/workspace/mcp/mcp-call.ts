import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { CallToolResult, Tool } from '@modelcontextprotocol/client';
import type { WorkspaceCall } from '#events/actions/workspace.js';
import type { Artifact, Json } from '#events/shapes.js';
import { fail, StepFailedError } from '../../../failures/failures.js';
import type { RunFiles } from '../../../agentfs/agentfs.js';
import type { StepResult, StepTask } from '../../driver.js';
import type { McpConnection } from './mcp-connection.js';
import type { McpPool } from './mcp-pool.js';
import type { ToolPins } from './tool-pins.js';

export interface McpDeps {
  readonly pool: McpPool;
  readonly pins: ToolPins;
}

/** Calls one tool of an MCP server: a tool that is there, that was approved as it is, with arguments that it takes. */
export async function callMcp(deps: McpDeps, task: StepTask): Promise<StepResult> {
  const { server, tool: name, args } = task.step.with as WorkspaceCall & { server: string };
  const settings = deps.pool.settingsOf(server);
  if (!settings)
    throw fail(
      'unknown-server',
      `there is no MCP server "${server}"; there are: ${deps.pool.names.join(', ') || 'none'}`,
    );
  return deps.pool
    .use(server, task.files.folder, async (connection) => {
      const tool = await toolOf(connection, server, name);
      await checkPin(deps, server, tool, settings.trust === 'first-use');
      checkArguments(server, tool, args);
      await task.mayAct();
      const result = await connection.call(name, args, task.signal);
      if (result.isError) return saysNo(result, task.files, `${server}.${name}`);
      return resultOf(result, task.files);
    })
    .catch((error: unknown) => {
      if (error instanceof StepFailedError || task.signal.aborted) throw error;
      return gaveUp(error, server, name, task.signal);
    });
}

async function toolOf(connection: McpConnection, server: string, name: string): Promise<Tool> {
  const tools = await connection.tools();
  const tool = tools.find((each) => each.name === name);
  if (tool) return tool;
  const names = tools.map((each) => each.name).join(', ');
  throw fail('unknown-tool', `the MCP server "${server}" has no tool "${name}"; it has: ${names}`);
}

async function checkPin({ pins }: McpDeps, server: string, tool: Tool, onFirstUse: boolean): Promise<void> {
  const standing = await pins.standing(server, tool);
  if (standing === 'approved') return;
  if (standing === 'unknown' && onFirstUse) return pins.approve(server, [tool]);
  const what = standing === 'changed' ? 'has changed since it was approved' : 'was not approved yet';
  throw fail(
    standing === 'changed' ? 'tool-changed' : 'tool-not-approved',
    `${server}.${tool.name} ${what}; look at it with \`skyagent mcp tools ${server}\`, then \`skyagent mcp approve ${server} ${tool.name}\``,
  );
}

const validators = new WeakMap<object, ValidateFunction>();

function checkArguments(server: string, { name, inputSchema }: Tool, args: WorkspaceCall['args']): void {
  const validate = validators.get(inputSchema) ?? compile(inputSchema);
  validators.set(inputSchema, validate);
  if (validate(args)) return;
  const [first] = validate.errors ?? [];
  throw fail(
    'bad-arguments',
    `${server}.${name}: ${first ? problemOf(first) : 'the arguments do not fit its schema'}`,
  );
}

/** A schema that names no dialect is of 2020-12, as MCP has it; one that cannot be read checks nothing here. */
function compile(schema: object): ValidateFunction {
  const old = '$schema' in schema && /draft-0[67]/.test(String(schema.$schema));
  const ajv = old ? new Ajv({ strict: false }) : new Ajv2020({ strict: false });
  try {
    return ajv.compile(schema);
  } catch {
    return ajv.compile({});
  }
}

function problemOf({ instancePath, keyword, message, params }: ErrorObject): string {
  const field = params as { missingProperty?: string; additionalProperty?: string };
  const last = field.missingProperty ?? field.additionalProperty;
  const pointer = `/with/args${instancePath}${last === undefined ? '' : `/${last}`}`;
  if (keyword === 'required') return `${pointer}: this argument is required`;
  if (keyword === 'additionalProperties') return `${pointer}: there is no such argument`;
  return `${pointer}: ${message}`;
}

/** A server that went away, said nothing, or said too much. */
function gaveUp(error: unknown, server: string, tool: string, signal: AbortSignal): never {
  signal.throwIfAborted();
  throw fail(
    'server-failed',
    `the MCP server "${server}" did not answer ${tool}: ${(error as Error).message}`,
  );
}

/** Its words may quote a page or a file: they are a file of the run, and never enter the log. */
async function saysNo(result: CallToolResult, files: RunFiles, tool: string): Promise<never> {
  const words = await files.keep(textOf(result), { type: 'text', mediaType: 'text/plain', extension: 'txt' });
  throw fail('tool-failed', `${tool} says no; its words are in ${words.path}`, {}, [words]);
}

const textOf = ({ content }: CallToolResult): string =>
  content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');

/** Text and structure as the output, everything else as files of the run. */
async function resultOf(result: CallToolResult, files: RunFiles): Promise<StepResult> {
  const artifacts: Artifact[] = [];
  const parts: Json[] = [];
  for (const part of result.content) {
    const kept = await keepPart(part, files);
    if (kept) artifacts.push(kept);
    else if (part.type === 'text') parts.push(part.text);
    else if (part.type === 'resource_link') parts.push({ uri: part.uri, name: part.name });
    else if (part.type === 'resource' && 'text' in part.resource) parts.push(part.resource.text);
  }
  const output = {
    text: parts.filter((part) => typeof part === 'string').join('\n'),
    structured: (result.structuredContent ?? null) as Json,
    links: parts.filter((part) => typeof part !== 'string'),
    files: artifacts.map(({ path, mediaType }) => ({ path, mediaType })),
  };
  return { output, content: true, artifacts };
}

async function keepPart(
  part: CallToolResult['content'][number],
  files: RunFiles,
): Promise<Artifact | undefined> {
  const blob =
    part.type === 'image' || part.type === 'audio'
      ? { data: part.data, mediaType: part.mimeType }
      : part.type === 'resource' && 'blob' in part.resource
        ? { data: part.resource.blob, mediaType: part.resource.mimeType ?? 'application/octet-stream' }
        : undefined;
  if (!blob) return undefined;
  const extension = /^[a-z]+\/([a-z0-9]{1,8})/.exec(blob.mediaType)?.[1] ?? 'bin';
  return files.keep(Buffer.from(blob.data, 'base64'), {
    type: 'download',
    mediaType: blob.mediaType,
    extension,
  });
}
