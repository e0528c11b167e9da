import { loadConfig } from './config.js';
import { runProcess } from './run-process.js';

/** One process of a deployment: `node dist/src/main.js`, with its roles in SKYAGENT_ROLES. */
process.exitCode = await runProcess(loadConfig, (line) => process.stderr.write(`${line}\n`));
