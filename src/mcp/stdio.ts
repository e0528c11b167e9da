import { createRequestStateCodec } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { createApi } from './api.js';
import { createServer } from './create-server.js';
import type { Question } from './follow.js';
import type { PromptTemplate } from './prompts.js';

export interface McpStdioDeps {
  readonly url: string;
  readonly apiKey: string | undefined;
  readonly stateKey: Uint8Array;
}

/** The same server over standard input and output, in front of an HTTP API. Ends with its input. */
export async function serveMcpOverStdio({ url, apiKey, stateKey }: McpStdioDeps): Promise<void> {
  const api = createApi(
    async ({ method, path, headers: { host: _, ...headers }, body }) => {
      const answer = await fetch(url + path, { method, headers, ...(body !== undefined && { body }) });
      const mediaType = answer.headers.get('content-type') ?? '';
      return { status: answer.status, mediaType, bytes: new Uint8Array(await answer.arrayBuffer()) };
    },
    apiKey === undefined ? undefined : `Bearer ${apiKey}`,
  );
  const { templates } = await api.get<{ templates: PromptTemplate[] }>('/templates');
  const codec = createRequestStateCodec<Question>({ key: stateKey });
  const handle = serveStdio(() => createServer({ api, codec, templates, session: true }), {
    legacy: 'serve',
  });
  await new Promise<void>((resolve) => {
    process.stdin.once('end', resolve).once('close', resolve);
  });
  await handle.close();
}
