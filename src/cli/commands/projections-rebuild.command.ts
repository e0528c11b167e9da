import { rename } from 'node:fs/promises';
import type { Config } from '../../config.js';
import { openLog } from '../../engine.js';
import { databaseFile, openDatabase, removeDatabase } from '../../projections/database.js';
import { createProjector } from '../../projections/projector.js';
import { findServer } from '../client.js';
import { CliError, EXIT } from '../exit-codes.js';
import { print, printJson, progress } from '../output.js';

/** Folds the log into a fresh file beside the old one, and puts it in its place when it is complete. */
export async function run(config: Config, options: { json?: boolean }): Promise<void> {
  if (await findServer(config))
    throw new CliError(
      EXIT.usage,
      'a server uses these read models: stop it first, it folds on by itself when it starts',
    );
  const { nats, server } = await openLog(config, progress);
  const target = databaseFile(config.home);
  const fresh = `${target}.rebuild`;
  await removeDatabase(fresh);
  const database = await openDatabase(fresh);
  const projector = createProjector(database.db);
  let events = 0;
  for (const { partition, lastSeq } of await nats.info()) {
    if (lastSeq === 0) continue;
    const done = Promise.withResolvers<void>();
    const subscription = await nats.follow(partition, 0, (batch) => {
      events += batch.length;
      const [advance] = projector.fold([{ partition, events: batch }]);
      if (advance && advance.seq >= lastSeq) done.resolve();
    });
    await done.promise;
    await subscription.stop();
  }
  database.db.pragma('wal_checkpoint(TRUNCATE)');
  await database.close();
  await removeDatabase(target);
  await rename(fresh, target);
  await removeDatabase(fresh);
  await nats.close();
  server?.release();
  if (options.json) printJson({ events, file: target });
  else print(`${events} events folded into ${target}`);
}
