import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from '@modelcontextprotocol/client';
import { InMemoryTransport } from '@modelcontextprotocol/server';
import { filesIn } from '../../src/agentfs/agentfs.js';
import { createWorkspaceServer } from '../../src/mcp/workspace-server.js';
import { builtInTools } from '../../src/runtimes/workspace/workspace.driver.js';
import { removeFolder, tempFolder } from '../support/temp.js';

let folder: string;
let client: Client;
beforeAll(async () => {
  folder = await tempFolder();
  const server = createWorkspaceServer(builtInTools, filesIn(folder, { maxBytes: 1000, maxFiles: 10 }));
  const [near, far] = InMemoryTransport.createLinkedPair();
  client = new Client({ name: 'test', version: '1' });
  await Promise.all([server.connect(far), client.connect(near)]);
});
afterAll(async () => {
  await client.close();
  await removeFolder(folder);
});

const call = (name: string, args: Record<string, unknown>) => client.callTool({ name, arguments: args });

describe('the built-in tools as an MCP server', () => {
  it('are all there, each with a schema and what it may change', async () => {
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(builtInTools.map(({ name }) => name));
    const hints = Object.fromEntries(tools.map(({ name, annotations }) => [name, annotations]));
    expect(hints['text.extract']).toMatchObject({ readOnlyHint: true, idempotentHint: true });
    expect(hints['fs.move']).toMatchObject({ readOnlyHint: false, idempotentHint: false });
    for (const { inputSchema } of tools) expect(inputSchema).toMatchObject({ type: 'object' });
  });

  it('work in the folder, within its quota, and nowhere else', async () => {
    expect((await call('fs.write', { path: 'a.txt', text: 'hello' })).structuredContent).toMatchObject({
      bytes: 5,
    });
    expect((await call('fs.read', { path: 'a.txt' })).structuredContent).toMatchObject({ text: 'hello' });
    expect((await call('fs.list', {})).structuredContent).toMatchObject({ result: [{ path: 'a.txt' }] });
    const out = await call('fs.read', { path: '../../etc/passwd' });
    expect(out).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining('path-refused') }],
    });
    const much = await call('fs.write', { path: 'b.txt', text: 'x'.repeat(2000) });
    expect(much).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining('quota-exceeded') }],
    });
  });

  it('say which argument is wrong', async () => {
    const wrong = await call('fs.write', { path: 'a.txt' });
    expect(wrong).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('text') }] });
  });
});
