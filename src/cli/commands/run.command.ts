import { isRestingStatus } from '#machines/run/run.commands.js';
import { readFile } from 'node:fs/promises';
import { openAsBlob } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import type { Config } from '../../config.js';
import { withServer, type Client } from '../client.js';
import { CliError, EXIT, exitCodeOf } from '../exit-codes.js';
import { coloured, print, printJson, progress, seconds } from '../output.js';
import { createStepView } from '../step-view.js';

export interface RunOptions {
  readonly template?: string;
  readonly objective?: string;
  readonly plan?: string;
  readonly runtime?: string;
  readonly input?: string[];
  readonly inputs?: string;
  readonly allowHost?: string[];
  readonly onlyHost?: string[];
  readonly allowApp?: string[];
  readonly allowFolder?: string[];
  readonly profile?: string;
  readonly record?: string[];
  readonly screenshots?: string;
  readonly file?: string[];
  readonly approval?: string;
  readonly dryRun?: boolean;
  readonly detach?: boolean;
  readonly json?: boolean;
}

export interface RunDetails {
  readonly id: string;
  readonly status: string;
  readonly rev: number;
  readonly title: string;
  readonly dryRun: boolean;
  readonly failure: { message: string; hint: string } | null;
  readonly createdAt: string;
  readonly finishedAt: string | null;
  readonly commands: string[];
  readonly steps: { id: string; title: string; state: string; attempt: number; parent?: string }[];
}

export async function run(config: Config, options: RunOptions): Promise<number> {
  const mission = await missionOf(options);
  return withServer(config, (client) => submitAndFollow(config, client, mission, options));
}

async function submit(client: Client, mission: object, paths: readonly string[]): Promise<{ runId: string }> {
  if (paths.length === 0) return client.post('/missions', mission);
  const form = new FormData();
  form.append('mission', JSON.stringify(mission));
  for (const path of paths) form.append('files', await blobOf(path), basename(path));
  return client.postForm('/missions', form);
}

async function blobOf(path: string): Promise<Blob> {
  try {
    return await openAsBlob(path);
  } catch (error) {
    throw new CliError(EXIT.usage, `--file ${path}: ${(error as Error).message}`);
  }
}

/** Submits a mission, shows how it goes, and answers the exit code. */
export async function submitAndFollow(
  config: Config,
  client: Client,
  mission: object,
  options: Pick<RunOptions, 'detach' | 'json' | 'file'>,
): Promise<number> {
  const { runId } = await submit(client, mission, options.file ?? []);
  progress(`run ${runId}  ${client.url}/runs/${runId}`);
  if (options.detach) {
    if (options.json) printJson({ runId });
    else print(runId);
    return EXIT.succeeded;
  }
  const details = await follow(client, runId, options.json ?? false);
  if (!details) return EXIT.interrupted;
  await report(config, client, details, options.json ?? false);
  return exitCodeOf(details.status);
}

/** Shows the run until it rests; nothing, when a person interrupts. */
async function follow(client: Client, runId: string, quiet: boolean): Promise<RunDetails | undefined> {
  const interrupt = new AbortController();
  const onSignal = () => interrupt.abort();
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  const view = createStepView(quiet);
  try {
    for await (const event of client.events(runId, 0, interrupt.signal)) {
      view.event(event);
      if (!isRestingStatus(event.stateto)) continue;
      const details = await settled(client, runId);
      if (isRestingStatus(details.status)) return view.end(details);
    }
    return view.end(await settled(client, runId));
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    view.end();
    progress(`interrupted; the run is kept: skyagent runs show ${runId}`);
    return undefined;
  } finally {
    process.removeListener('SIGINT', onSignal);
    process.removeListener('SIGTERM', onSignal);
    interrupt.abort();
  }
}

/** The log, which tells of events, is ahead of the rows that are asked here: this waits for them. */
const settled = (client: Client, runId: string): Promise<RunDetails> =>
  client.get<RunDetails>(`/runs/${runId}`, { prefer: 'wait=5' });

async function report(config: Config, client: Client, details: RunDetails, asJson: boolean): Promise<void> {
  if (asJson) return printJson(details);
  const { artifacts } = await client.get<{ artifacts: { path: string; type: string }[] }>(
    `/runs/${details.id}/artifacts`,
  );
  const took = details.finishedAt ? ` in ${seconds(details.createdAt, details.finishedAt)}` : '';
  print(`${coloured(details.status)}${details.dryRun ? ' (simulated)' : ''}  ${details.id}${took}`);
  if (details.failure) print(`${details.failure.message}\n→ ${details.failure.hint}`);
  for (const { path } of artifacts.filter(({ type }) => type === 'report')) {
    print(join(config.agentFsRoot, 'missions', details.id, path));
  }
  if (WAITING.has(details.status)) print(`waits for a person; legal now: ${details.commands.join(', ')}`);
}

/** What a person is waited for in. */
const WAITING: ReadonlySet<string> = new Set(['paused', 'awaiting-approval']);

async function missionOf(options: RunOptions): Promise<object> {
  if (options.template === undefined && options.objective === undefined && options.plan === undefined) {
    throw new CliError(EXIT.usage, 'a mission needs --template, --objective or --plan');
  }
  return {
    ...(options.objective !== undefined && { objective: options.objective }),
    ...(options.template !== undefined && { template: options.template }),
    ...(options.plan !== undefined && { plan: await jsonFile('--plan', options.plan) }),
    inputs: {
      ...(options.inputs !== undefined && (await inputsFile(options.inputs))),
      ...inputsOf(options.input ?? []),
    },
    metadata: metadataOf(options),
    ...(options.approval !== undefined && { approval: options.approval }),
    ...(options.dryRun && { dryRun: true }),
  };
}

const metadataOf = (options: RunOptions): object => {
  const { runtime, allowHost, onlyHost, allowApp, allowFolder, profile, record, screenshots } = options;
  return {
    ...(runtime && { runtime }),
    ...(allowHost && { allowHosts: allowHost }),
    ...(onlyHost && { onlyHosts: onlyHost }),
    ...(allowApp && { allowApps: allowApp }),
    ...(allowFolder && { allowFolders: allowFolder.map((folder) => resolve(folder)) }),
    ...(profile !== undefined && { profile }),
    ...(record && { record }),
    ...(screenshots !== undefined && { screenshots }),
  };
};

async function inputsFile(file: string): Promise<object> {
  const inputs = await jsonFile('--inputs', file);
  if (typeof inputs === 'object' && inputs !== null && !Array.isArray(inputs)) return inputs;
  throw new CliError(EXIT.usage, `--inputs ${file}: expected one JSON object`);
}

/** What a file (or standard input, as `-`) holds as JSON. */
export async function jsonFile(option: string, file: string): Promise<unknown> {
  const text = await (file === '-' ? readAll(process.stdin) : readFile(file, 'utf8')).catch(
    (error: unknown) => {
      throw new CliError(
        EXIT.usage,
        `${option} ${file}: cannot be read (${(error as NodeJS.ErrnoException).code})`,
      );
    },
  );
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CliError(EXIT.usage, `${option} ${file}: is not JSON: ${(error as Error).message}`);
  }
}

/** `k=v`: v is JSON where it can be read as JSON, else text. `k[]=v` adds to a list. */
export function inputsOf(pairs: readonly string[]): Record<string, unknown> {
  const inputs: Record<string, unknown> = {};
  for (const pair of pairs) {
    const [, key, list, value] = /^([^=[\]]+)(\[\])?=([^]*)$/.exec(pair) ?? [];
    if (key === undefined || value === undefined)
      throw new CliError(EXIT.usage, `--input ${pair}: expected k=v or k[]=v`);
    const before = Object.hasOwn(inputs, key) ? inputs[key] : undefined;
    inputs[key] = list
      ? [...(Array.isArray(before) ? (before as unknown[]) : []), jsonOrText(value)]
      : jsonOrText(value);
  }
  return inputs;
}

function jsonOrText(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
