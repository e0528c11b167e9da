import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../../config.js';
import { withServer, type Client } from '../client.js';
import { CliError, EXIT } from '../exit-codes.js';
import { print, printJson } from '../output.js';

interface PruneOptions {
  readonly olderThan: string;
  readonly status: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

interface RunRow {
  readonly id: string;
  readonly status: string;
  readonly finishedAt: string | null;
}

const RUN_ID = /^run_[0-9A-Z]{26}$/;
const ENDED: ReadonlySet<string> = new Set(['succeeded', 'failed', 'cancelled']);
const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** Removes the folders of runs that ended long ago. What they did stays in the log; runs that go on keep theirs. */
export function run(config: Config, options: PruneOptions): Promise<void> {
  const before = Date.now() - millisecondsOf(options.olderThan);
  const statuses = statusesOf(options.status);
  return withServer(config, async (client) => {
    const missions = join(config.agentFsRoot, 'missions');
    const folders = new Set(await readdir(missions).catch(() => []));
    const removed: { runId: string; bytes: number }[] = [];
    for await (const { id, finishedAt } of endedRuns(client, statuses)) {
      if (!folders.has(id) || !RUN_ID.test(id) || finishedAt === null || Date.parse(finishedAt) >= before)
        continue;
      const folder = join(missions, id);
      removed.push({ runId: id, bytes: await bytesIn(folder) });
      if (!options.dryRun) await rm(folder, { recursive: true, force: true });
    }
    const bytes = removed.reduce((sum, each) => sum + each.bytes, 0);
    if (options.json) return printJson({ removed, bytes, dryRun: options.dryRun ?? false });
    for (const each of removed) print(`${each.runId}  ${each.bytes} bytes`);
    print(
      `${options.dryRun ? 'would remove' : 'removed'} the files of ${removed.length} runs, ${bytes} bytes`,
    );
  });
}

async function* endedRuns(client: Client, statuses: readonly string[]): AsyncGenerator<RunRow> {
  for (let cursor = ''; ;) {
    const more = cursor && `&cursor=${encodeURIComponent(cursor)}`;
    const { runs, next } = await client.get<{ runs: RunRow[]; next?: string | null }>(
      `/runs?limit=200&status=${statuses.join(',')}${more}`,
    );
    yield* runs;
    if (!next) return;
    cursor = next;
  }
}

function millisecondsOf(text: string): number {
  const [, count, unit] = /^(\d+)([hdw])$/.exec(text) ?? [];
  if (count === undefined)
    throw new CliError(EXIT.usage, `--older-than ${text}: expected e.g. 12h, 30d or 8w`);
  return Number(count) * UNITS[unit!]!;
}

function statusesOf(text: string): string[] {
  const statuses = text.split(',').map((each) => each.trim());
  const wrong = statuses.find((each) => !ENDED.has(each));
  if (wrong === undefined) return statuses;
  throw new CliError(EXIT.usage, `--status ${wrong}: only runs that have ended: ${[...ENDED].join(', ')}`);
}

async function bytesIn(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true });
  const sizes = await Promise.all(
    names.map(async (name) => {
      const facts = await stat(join(folder, name)).catch(() => undefined);
      return facts?.isFile() ? facts.size : 0;
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
