import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createAgentFs, type RunFiles } from './agentfs/agentfs.js';
import { ConfigError, type Config, type Role } from './config.js';
import { fittingBytes, joinEmbeddedServer, type EmbeddedServer } from './log/embedded/embedded-server.js';
import type { Desktops } from './log/desktops.js';
import type { EventLog } from './log/event-log.js';
import { stopCheckingHashes } from './log/hash-chain.js';
import { guarded, logProblems } from './log/guards.js';
import { openJetStreamLog, type JetStreamLog, type JetStreamSettings } from './log/jetstream.log.js';
import type { Traces } from './log/traces.js';
import { checkMission } from './mission/check-mission.js';
import { loadTemplates, type Templates } from './mission/templates.js';
import { databaseFile } from './projections/database.js';
import { checkpointsAhead, openReadModels, type ReadModels } from './projections/read-model-service.js';
import { expireControls } from './runs/expire-controls.js';
import { createLocalUsers } from './runs/local-user.js';
import { startWorker, type Worker } from './runs/worker.js';
import { createDriverRegistry, type DriverRegistry } from './runtimes/registry.js';
import { createDesktopDriver } from './runtimes/desktop/desktop.driver.js';
import { createFleet, type Fleet } from './runtimes/desktop/fleet.js';
import { createHttpLink } from './runtimes/desktop/http.link.js';
import { createOwnDesktop } from './runtimes/desktop/own-desktop.js';
import type { LocalPerson } from './runtimes/desktop/seat.js';
import { createPlaywrightDriver } from './runtimes/browser/playwright.driver.js';
import type { Driver } from './runtimes/driver.js';
import { createSkyvernClient } from './runtimes/browser/skyvern/skyvern.client.js';
import { createSkyvernDriver } from './runtimes/browser/skyvern/skyvern.driver.js';
import { createSkyvernWakeUps, type SkyvernWakeUps } from './runtimes/browser/skyvern/webhook.js';
import { createMcpPool } from './runtimes/workspace/mcp/mcp-pool.js';
import { readMcpServers, type McpServers } from './runtimes/workspace/mcp/mcp-servers.js';
import { createToolPins, pinsFile } from './runtimes/workspace/mcp/tool-pins.js';
import { effectTool } from './runtimes/workspace/tools/effect.tool.js';
import { createBuiltInTools, createWorkspaceDriver } from './runtimes/workspace/workspace.driver.js';
import { packageRoot } from './setup/package-root.js';

/** Everything one process runs, apart from HTTP. */
export interface Engine {
  readonly config: Config;
  readonly log: EventLog;
  readonly natsUrl: string;
  readonly natsVersion: string;
  readonly templates: Templates;
  readonly tools: readonly string[];
  readonly servers: readonly string[];
  /** A mission as it may be accepted, or an InvalidMissionError that says all that is wrong with it. */
  readonly check: (body: unknown) => ReturnType<typeof checkMission>;
  readonly drivers: DriverRegistry;
  readonly fleet: Fleet;
  readonly traces: Traces;
  readonly skyvernWakeUps: SkyvernWakeUps;
  readonly files: (runId: string) => RunFiles;
  readonly readModels: ReadModels | undefined;
  readonly worker: Worker | undefined;
  /** Why the log is served read-only; empty when it is not. */
  readonly problems: readonly string[];
  stop(): Promise<void>;
}

export type Report = (line: string) => void;

const APPEND_TIMEOUT_MS = 5_000;
const APPEND_RETRIES = 3;
const BATCH_SIZE = 250;

/** Starts the parts a process's roles need: the log (and its server), the read models, the worker. */
export async function startEngine(config: Config, report: Report = () => undefined): Promise<Engine> {
  if (config.SKYAGENT_BREAK.includes('no-hash')) stopCheckingHashes();
  const { server, settings, nats } = await openLog(config, report);
  const problems = await logProblems(nats, {
    embedded: server !== undefined,
    durability: config.SKYAGENT_DURABILITY,
  });
  const log = guarded(nats, () => problems);
  const has = (role: Role) => config.SKYAGENT_ROLES.includes(role);
  const onFault = (where: string, error: unknown) => report(`fault in ${where}: ${describe(error)}`);

  const templates = loadTemplates(join(packageRoot, 'templates'));
  const readModels =
    has('gateway') || has('projector')
      ? await openReadModels({
          log: settings,
          file: databaseFile(config.home),
          onFault: (error) => onFault('the projector', error),
        })
      : undefined;
  if (readModels) problems.push(...(await checkpointsAhead(log, readModels.checkpoints)));
  const skyvernWakeUps = createSkyvernWakeUps();
  const localUsers = createLocalUsers(log, onFault);
  const fleet = await openFleet(config, nats.desktops, report);
  const drivers = createDrivers(config, { skyvernWakeUps, fleet, person: localUsers });
  const { filesOf: files } = createAgentFs({
    root: config.agentFsRoot,
    maxBytes: config.SKYAGENT_RUN_MAX_BYTES,
    maxFiles: config.SKYAGENT_RUN_MAX_FILES,
  });
  const expiry = has('gateway') ? startExpiry(log, readModels, problems, onFault) : undefined;
  const worker =
    has('worker') && problems.length === 0
      ? await startWorker({
          log,
          drivers,
          templates,
          stepTimeoutMs: config.SKYAGENT_STEP_TIMEOUT_MS,
          maxRuns: config.SKYAGENT_MAX_RUNS,
          leaseMs: config.SKYAGENT_LEASE_MS,
          fencing: !config.SKYAGENT_BREAK.includes('no-fencing'),
          files,
          trace: nats.traces.tell,
          onWait: (runId, stepId, what) => report(`${runId}: step ${stepId} waits for ${what}`),
          onFault,
        })
      : undefined;
  for (const problem of problems) report(`read-only: ${problem}`);
  if (config.SKYAGENT_DURABILITY === 'relaxed')
    report('durability is relaxed: a power cut may lose acknowledged events');

  return {
    config,
    log,
    natsUrl: nats.url,
    natsVersion: nats.serverVersion,
    templates,
    tools: drivers.tools,
    servers: drivers.servers,
    check: (body) => checkMission(body, config.SKYAGENT_DRY_RUN, { templates, ...drivers }),
    drivers,
    fleet,
    traces: nats.traces,
    skyvernWakeUps,
    files,
    readModels,
    worker,
    problems,
    stop: async () => {
      expiry?.stop();
      await worker?.stop();
      await drivers.close();
      localUsers.stop();
      await readModels?.close();
      await nats.close();
      server?.release();
    },
  };
}

function startExpiry(
  log: EventLog,
  readModels: ReadModels | undefined,
  problems: readonly string[],
  onFault: (where: string, error: unknown) => void,
): { stop(): void } | undefined {
  if (!readModels || problems.length > 0) return undefined;
  return expireControls({
    log,
    expired: readModels.queries.expiredControls,
    onFault: (error) => onFault('the expiry of control leases', error),
  });
}

/** The log alone: for commands that read or follow it without a server of their own. */
export async function openLog(
  config: Config,
  report: Report = () => undefined,
): Promise<{ server: EmbeddedServer | undefined; settings: JetStreamSettings; nats: JetStreamLog }> {
  const server = config.NATS_URL === undefined ? await joinEmbeddedServer(config.home, report) : undefined;
  const { SKYAGENT_PARTITIONS: partitions, SKYAGENT_MAX_STREAM_BYTES: wished } = config;
  const settings: JetStreamSettings = {
    url: server?.url ?? config.NATS_URL!,
    token: server?.token ?? config.NATS_TOKEN,
    partitions,
    replicas: config.SKYAGENT_REPLICAS,
    maxBytes: server ? await fittingBytes(config.home, wished, partitions) : wished,
    ackWaitMs: config.SKYAGENT_LEASE_MS,
    checkConflicts: !config.SKYAGENT_BREAK.includes('no-conflict-check'),
    appendTimeoutMs: APPEND_TIMEOUT_MS,
    appendRetries: APPEND_RETRIES,
    batchSize: BATCH_SIZE,
  };
  return { server, settings, nats: await openJetStreamLog(settings) };
}

/** How long Skyvern is left alone between two questions, at first and at most. */
const SKYVERN_POLL_MS = [2_000, 15_000] as const;

function skyvernOf(config: Config, wakeUps: SkyvernWakeUps): Driver | undefined {
  const { SKYVERN_BASE_URL: baseUrl, SKYVERN_API_PATH: apiPath, SKYVERN_API_KEY: apiKey } = config;
  if (baseUrl === undefined) return undefined;
  return createSkyvernDriver({
    client: createSkyvernClient({ baseUrl, apiPath, apiKey }),
    wakeUps,
    webhookUrl: config.SKYVERN_WEBHOOK_URL,
    pollMs: config.underTest ? [50, 500] : SKYVERN_POLL_MS,
    // Its files lie on the same machine, behind another port.
    allowHosts: [new URL(baseUrl).hostname],
  });
}

/** The desktops that a process can reach; one of its own is started by the first step that needs it. */
async function openFleet(config: Config, desktops: Desktops, report: Report): Promise<Fleet> {
  const { SKYAGENT_DESKTOP_URL: url, desktopTokenFile } = config;
  const token = url === undefined ? '' : await tokenIn(desktopTokenFile);
  const own = createOwnDesktop({ home: config.home, apps: config.SKYAGENT_DESKTOP_APPS, report });
  return createFleet({
    desktops,
    configured:
      url === undefined ? undefined : createHttpLink({ name: new URL(url).host, url, token, own: false }),
    // Where no run is worked on, nobody would use it.
    own: config.SKYAGENT_DESKTOP === 'auto' && config.SKYAGENT_ROLES.includes('worker') ? own : undefined,
  });
}

async function tokenIn(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError([
      `SKYAGENT_DESKTOP_TOKEN_FILE: ${file} cannot be read (${code}); the daemon makes it`,
    ]);
  }
}

interface DriverDeps {
  readonly skyvernWakeUps: SkyvernWakeUps;
  readonly fleet: Fleet;
  readonly person: LocalPerson;
}

function createDrivers(config: Config, { skyvernWakeUps, fleet, person }: DriverDeps): DriverRegistry {
  const browser = createPlaywrightDriver({
    home: config.home,
    executable: config.SKYAGENT_CHROMIUM,
    allowHosts: config.SKYAGENT_ALLOW_HOSTS,
    agentFsRoot: config.agentFsRoot,
  });
  const skyvern = skyvernOf(config, skyvernWakeUps);
  const desktop = createDesktopDriver({
    fleet,
    person,
    apps: config.SKYAGENT_DESKTOP_APPS,
    folders: config.SKYAGENT_DESKTOP_FOLDERS,
    agentFsRoot: config.agentFsRoot,
  });
  const builtIn = createBuiltInTools(browser.printPdf);
  const tools = config.underTest ? [...builtIn, effectTool] : builtIn;
  const servers: McpServers = config.mcpServersFile ? readMcpServers(config.mcpServersFile) : new Map();
  const mcp = { pool: createMcpPool(servers), pins: createToolPins(pinsFile(config.home)) };
  return createDriverRegistry(
    [createWorkspaceDriver(tools, mcp), browser, ...(skyvern ? [skyvern] : []), desktop],
    tools.map((tool) => tool.name),
    [...servers.keys()],
  );
}

/** An error in one line; its cause too, since that is where the reason often is. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return `${error.message}${cause}`;
}
