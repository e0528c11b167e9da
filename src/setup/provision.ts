import { loadConfig } from '../config.js';
import { findNatsServer } from '../log/embedded/nats-binary.js';

/** Finds a nats-server or fetches one into the home, before anything needs it. */
const config = loadConfig();
const report = (line: string) => process.stderr.write(`${line}\n`);
if (config.NATS_URL === undefined) report(`nats-server: ${await findNatsServer(config.home, report)}`);
