import type { Config } from '../../config.js';
import { openLog } from '../../engine.js';
import { verify } from '../../eval/verify.js';
import { databaseFile } from '../../projections/database.js';
import { CliError, EXIT } from '../exit-codes.js';
import { print, printJson, progress } from '../output.js';

export async function run(config: Config, options: { run?: string; json?: boolean }): Promise<number> {
  const { server, nats } = await openLog(config, progress);
  try {
    const found = await verify(nats, databaseFile(config.home), options.run);
    if (options.run !== undefined && found.events === 0)
      throw new CliError(EXIT.failed, `there is no run ${options.run}`);
    if (options.json) printJson(found);
    else report(found);
    return found.violations.length === 0 ? EXIT.succeeded : EXIT.failed;
  } finally {
    await nats.close();
    server?.release();
  }
}

function report({ events, runs, quarantined, rows, violations }: Awaited<ReturnType<typeof verify>>): void {
  for (const { invariant, runId, detail } of violations)
    print([invariant, runId, detail].filter(Boolean).join('  '));
  const judged = quarantined > 0 ? `, ${quarantined} in quarantine` : '';
  print(
    `${events} events of ${runs} runs${judged}, ${rows} rows: ` +
      (violations.length === 0 ? 'all as they must be' : `${violations.length} violation(s)`),
  );
}
