import { constants } from 'node:fs';
import { access, mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import pc from 'picocolors';
import { loadConfig, type Config } from '../../config.js';
import {
  findInstalledNatsServer,
  findNatsServer,
  natsServerVersion,
} from '../../log/embedded/nats-binary.js';
import { loadTemplates } from '../../mission/templates.js';
import { checkDesktop } from '../../runtimes/desktop/check-desktop.js';
import { isSandboxed, launchChromium } from '../../runtimes/browser/chromium.js';
import { packageRoot } from '../../setup/package-root.js';
import { findServer } from '../client.js';
import { EXIT } from '../exit-codes.js';
import { print, printJson, progress } from '../output.js';

interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
}

const MIN_FREE_BYTES = 1024 ** 3;

/** Looks at everything a mission needs, with the parts that run it: a browser is started, not looked for. */
export async function run(config: Config, options: { fix?: boolean; json?: boolean }): Promise<number> {
  const findings: Finding[] = [];
  for (const [check, look] of Object.entries(checks(config, options.fix ?? false))) {
    const finding = await look().then(
      (detail) => ({ check, ok: true, detail }),
      (error: unknown) => ({ check, ok: false, detail: (error as Error).message }),
    );
    findings.push(finding);
    if (!options.json)
      print(`${finding.ok ? pc.green('ok  ') : pc.red('FAIL')}  ${check.padEnd(12)}  ${finding.detail}`);
  }
  if (options.json) printJson({ ok: findings.every(({ ok }) => ok), findings });
  return findings.every(({ ok }) => ok) ? EXIT.succeeded : EXIT.failed;
}

const checks = (config: Config, fix: boolean): Record<string, () => Promise<string>> => ({
  node: () =>
    demand(
      Number(process.versions.node.split('.')[0]) >= 24,
      `Node ${process.versions.node}`,
      'needs Node 24: run npm ci',
    ),
  settings: () => Promise.resolve(`${Object.keys(loadConfig()).length} settings are valid`),
  home: async () => {
    await mkdir(config.home, { recursive: true });
    await access(config.home, constants.W_OK);
    const { bavail, bsize } = await statfs(config.home);
    const free = `${config.home} (${((bavail * bsize) / 1024 ** 3).toFixed(1)} GiB free)`;
    return demand(bavail * bsize >= MIN_FREE_BYTES, free, 'less than 1 GiB is free');
  },
  'nats-server': async () => {
    if (config.NATS_URL) return `NATS_URL is ${config.NATS_URL}`;
    const path = fix
      ? await findNatsServer(config.home, progress)
      : await findInstalledNatsServer(config.home);
    if (!path) throw new Error('none found; `skyagent doctor --fix` fetches one');
    return `${path} (${await natsServerVersion(path)})`;
  },
  chromium: async () => {
    const { browser, name } = await launchChromium({
      home: config.home,
      executable: config.SKYAGENT_CHROMIUM,
    });
    const version = browser.version();
    await browser.close();
    return `${name} (${version}${isSandboxed() ? '' : '; as root, so without its sandbox: --no-sandbox'})`;
  },
  desktop: () => checkDesktop(config, fix),
  skyvern: () => askSkyvern(config),
  templates: () =>
    Promise.resolve(
      loadTemplates(join(packageRoot, 'templates'))
        .list()
        .map(({ id }) => id)
        .join(', '),
    ),
  server: async () => (await findServer(config)) ?? 'none is running; commands boot one for their own length',
});

/** Whether a Skyvern that is configured answers, and takes the key. */
async function askSkyvern({
  SKYVERN_BASE_URL: baseUrl,
  SKYVERN_API_PATH,
  SKYVERN_API_KEY,
}: Config): Promise<string> {
  if (baseUrl === undefined) return 'none is configured: browser.task needs one, or a model';
  const path = `${SKYVERN_API_PATH.replace(/\/$/, '')}/runs?page_size=1`;
  const answer = await fetch(new URL(path, baseUrl), {
    headers: SKYVERN_API_KEY === undefined ? {} : { 'x-api-key': SKYVERN_API_KEY },
    signal: AbortSignal.timeout(SKYVERN_MS),
  }).catch(() => undefined);
  if (!answer) throw new Error(`${baseUrl} does not answer; see SKYVERN_BASE_URL`);
  return demand(answer.ok, baseUrl, `it answered ${answer.status}; see SKYVERN_API_KEY and SKYVERN_API_PATH`);
}
const SKYVERN_MS = 5_000;

const demand = (holds: boolean, detail: string, otherwise: string): Promise<string> =>
  holds ? Promise.resolve(detail) : Promise.reject(new Error(`${detail}: ${otherwise}`));
