import { z } from 'zod';
import { jsonSchema } from '../shapes.js';

/** `workspace.call`: one tool. Without `server` it is one of the built-in tools. */
export const workspaceCallSchema = z.strictObject({
  server: z.string().min(1).optional(),
  tool: z.string().min(1),
  args: z.record(z.string(), jsonSchema).default({}),
});
export type WorkspaceCall = z.infer<typeof workspaceCallSchema>;
