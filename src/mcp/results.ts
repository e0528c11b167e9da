import type { CallToolResult } from '@modelcontextprotocol/server';
import { ApiError } from './api.js';

/** A JSON value as the result of a tool: as it is, and as text for clients that read no structure. */
export const told = (value: unknown): CallToolResult => ({
  content: [{ type: 'text', text: JSON.stringify(value, undefined, 1) }],
  structuredContent: value,
});

/** What the API refuses is the model's to read and to do better; anything else is a fault of ours. */
export async function answered(work: () => Promise<unknown>): Promise<CallToolResult> {
  try {
    return told(await work());
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return refused(error);
  }
}

export const refused = (error: ApiError): CallToolResult => ({
  isError: true,
  content: [{ type: 'text', text: error.message }],
});
