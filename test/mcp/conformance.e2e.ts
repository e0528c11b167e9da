import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseConfig } from '../../src/config.js';
import { serve, type Server } from '../../src/serve.js';
import { makeHome, type TestHome } from '../support/server-home.js';
import { addConformanceFixtures } from './conformance.fixtures.js';

const SUITE = createRequire(import.meta.url).resolve('@modelcontextprotocol/conformance/dist/index.js');
const HANG_MS = 240_000;

let home: TestHome;
let server: Server;
beforeAll(async () => {
  home = await makeHome();
  const config = parseConfig({ SKYAGENT_PORT: '0', SKYAGENT_PARTITIONS: '1' }, home.folder);
  server = await serve(config, () => undefined, { extendMcp: addConformanceFixtures });
});
afterAll(async () => {
  await server.stop();
  await home.remove();
});

describe('the public conformance suite of MCP', () => {
  it(
    'finds nothing wrong with /mcp',
    async () => {
      const child = spawn(
        process.execPath,
        [SUITE, 'server', '--url', `${server.url}/mcp`, '--suite', 'active'],
        {
          cwd: home.folder,
          stdio: ['ignore', 'pipe', 'pipe'],
        },
      );
      const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
      const summary = out.split('\n').filter((line) => /\d+ passed, \d+ failed/.test(line));
      const failed = summary.filter((line) => !line.endsWith(' 0 failed'));
      expect({ failed, errors }).toEqual({ failed: [], errors: expect.any(String) });
      expect(summary.at(-1)).toBe('Total: 40 passed, 0 failed');
    },
    HANG_MS,
  );
});
