import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** What SkyAgentOS adds to the standard form. */
const more = {
  /** One for all runs, without a folder of a run; else each run has its own, with its folder as the only root. */
  shared: z.boolean().default(false),
  /** Time that one request may take, in milliseconds. */
  timeoutMs: z.int().min(1).max(3_600_000).default(60_000),
  /** `first-use` takes the tools as they are found first; else a person approves each before it is called. */
  trust: z.enum(['approve', 'first-use']).default('approve'),
  /** Which protocol is spoken: that of 2025 with a session, the stateless one of 2026, or whichever the server takes. */
  era: z.enum(['legacy', 'auto', 'modern']).default('legacy'),
  disabled: z.boolean().default(false),
};
const stdioSchema = z.looseObject({
  command: z.string().min(1),
  args: z.array(z.string()).default([]),
  env: z.record(z.string(), z.string()).default({}),
  /** Names of variables of this process that the server may see, besides PATH, HOME and the like. */
  inheritEnv: z.array(z.string()).default([]),
  cwd: z.string().optional(),
  ...more,
});
const httpSchema = z.looseObject({
  url: z.url({ protocol: /^https?$/ }),
  headers: z.record(z.string(), z.string()).default({}),
  ...more,
});
const fileSchema = z.looseObject({
  mcpServers: z.record(
    z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'a name has 1 to 64 letters, digits, `_`, `.` or `-`'),
    z.union([stdioSchema, httpSchema]),
  ),
});

export type StdioServer = z.infer<typeof stdioSchema>;
export type HttpServer = z.infer<typeof httpSchema>;
export type McpServerSettings = StdioServer | HttpServer;
export type McpServers = ReadonlyMap<string, McpServerSettings>;

/** The file of MCP servers cannot be used. */
export class McpConfigError extends Error {
  readonly code = 'bad-config';
  constructor(file: string, problems: readonly string[]) {
    super(`the MCP servers of ${file} cannot be used:\n${problems.map((each) => `  - ${each}`).join('\n')}`);
    this.name = 'McpConfigError';
  }
}

/** The servers of a file in the standard `mcpServers` form. */
export function readMcpServers(file: string): McpServers {
  const parsed = fileSchema.safeParse(jsonOf(file));
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => {
      const message = issue.code === 'invalid_key' ? issue.issues[0]!.message : issue.message;
      return `${issue.path.join('.') || 'the whole'}: ${message}`;
    });
    throw new McpConfigError(file, problems);
  }
  return new Map(Object.entries(parsed.data.mcpServers).filter(([, { disabled }]) => !disabled));
}

function jsonOf(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new McpConfigError(file, [(error as Error).message]);
  }
}

export const isStdio = (server: McpServerSettings): server is StdioServer => 'command' in server;
