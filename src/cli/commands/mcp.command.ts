import type { Config } from '../../config.js';
import { serveMcpOverStdio } from '../../mcp/stdio.js';
import { stateKeyOf } from '../../mcp/state-key.js';
import { withServer } from '../client.js';

/** Serves MCP over standard input and output until the input ends. */
export const run = (config: Config): Promise<void> =>
  withServer(config, ({ url }) =>
    serveMcpOverStdio({ url, apiKey: config.SKYAGENT_API_KEYS[0], stateKey: stateKeyOf(config.home) }),
  );
