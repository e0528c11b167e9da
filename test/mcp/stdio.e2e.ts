import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { environmentOf } from '../../src/config.js';
import { compiledFile } from '../../src/setup/package-root.js';
import { makeHome, type TestHome } from '../support/server-home.js';
import { noop } from '../support/server-missions.js';

let home: TestHome;
let client: Client;
beforeAll(async () => {
  home = await makeHome();
  client = new Client({ name: 'test', version: '1' });
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [compiledFile('src/cli/main.js'), 'mcp'],
      cwd: home.folder,
      env: { ...environmentOf(['PATH', 'HOME', 'TMPDIR']), SKYAGENT_PARTITIONS: '1' },
      stderr: 'ignore',
    }),
    { timeout: 60_000 },
  );
});
afterAll(async () => {
  await client.close();
  await home.remove();
});

describe('skyagent mcp', () => {
  it('serves the same tools over standard input and output, with an engine of its own where none runs', async () => {
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(expect.arrayContaining(['submit_mission', 'follow_run']));
    const submitted = await client.callTool({
      name: 'submit_mission',
      arguments: { plan: { steps: [noop('a')] } },
    });
    const { runId } = submitted.structuredContent as { runId: string };
    const followed = await client.callTool({ name: 'follow_run', arguments: { runId, seconds: 30 } });
    expect(followed.structuredContent).toMatchObject({ id: runId, status: 'succeeded' });
  });
});
