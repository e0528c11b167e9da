import { resolve } from 'node:path';
import { filesIn } from '../../agentfs/agentfs.js';
import type { Config } from '../../config.js';
import { serveWorkspaceOverStdio } from '../../mcp/workspace-server.js';
import { createPlaywrightDriver } from '../../runtimes/browser/playwright.driver.js';
import { createBuiltInTools } from '../../runtimes/workspace/workspace.driver.js';

/** Serves the built-in tools over a folder, until the input ends. */
export async function run(config: Config, _options: object, folder: string): Promise<void> {
  const browser = createPlaywrightDriver({
    home: config.home,
    executable: config.SKYAGENT_CHROMIUM,
    allowHosts: [],
    agentFsRoot: config.agentFsRoot,
  });
  const quota = { maxBytes: config.SKYAGENT_RUN_MAX_BYTES, maxFiles: config.SKYAGENT_RUN_MAX_FILES };
  try {
    await serveWorkspaceOverStdio(createBuiltInTools(browser.printPdf), filesIn(resolve(folder), quota));
  } finally {
    await browser.close?.();
  }
}
