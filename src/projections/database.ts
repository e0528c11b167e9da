import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MikroORM, type SqlEntityManager } from '@mikro-orm/sqlite';
import { sha256 } from '../log/hash-chain.js';
import { packageRoot } from '../setup/package-root.js';
import type { Db } from './projection.js';
import { entities } from './read-models.js';

export interface Database {
  readonly orm: MikroORM;
  readonly db: Db;
  /** A fresh entity manager for one query. */
  em(): SqlEntityManager;
  close(): Promise<void>;
}

export const databaseFile = (home: string): string => join(home, 'readmodels.db');
/** The schema as MikroORM generates it from the entities, committed so that a review shows what changes. */
export const schemaFile = join(packageRoot, 'src', 'projections', 'schema.sql');

/**
 * Opens the read models. A file made for another schema is thrown away: rows are a fold of the log and are folded again.
 */
export async function openDatabase(file: string): Promise<Database> {
  await mkdir(dirname(file), { recursive: true });
  const { schema, version } = await currentSchema();
  if (existsSync(file) && (await versionOf(file)) !== version) await removeDatabase(file);
  const orm = await connect(file);
  const db = await nativeClient(orm);
  // Looked at inside the transaction: of several processes that find an empty file, one makes the tables.
  db.transaction(() => {
    if (db.pragma('user_version', { simple: true }) === version) return;
    db.exec(`${schema} pragma user_version = ${version};`);
  }).immediate();
  return {
    orm,
    db,
    em: () => orm.em.fork(),
    close: () => orm.close(),
  };
}

/** Opens rows as they are, for looking; nothing, when they were made for another schema. */
export async function openRowsAsTheyAre(file: string): Promise<Database | undefined> {
  const { version } = await currentSchema();
  if ((await versionOf(file)) !== version) return undefined;
  const orm = await connect(file);
  return { orm, db: await nativeClient(orm), em: () => orm.em.fork(), close: () => orm.close() };
}

async function currentSchema(): Promise<{ schema: string; version: number }> {
  const schema = await readFile(schemaFile, 'utf8');
  return { schema, version: Number.parseInt(sha256(schema).slice(0, 7), 16) };
}

/** The statements that make an empty database, as generated from the entities. */
export async function generateSchema(): Promise<string> {
  const orm = await MikroORM.init({ entities, dbName: ':memory:' });
  try {
    return `${(await orm.schema.getCreateSchemaSQL()).trim()}\n`;
  } finally {
    await orm.close();
  }
}

export async function removeDatabase(file: string): Promise<void> {
  await Promise.all(['', '-wal', '-shm'].map((suffix) => rm(`${file}${suffix}`, { force: true })));
}

async function connect(file: string): Promise<MikroORM> {
  const orm = await MikroORM.init({ entities, dbName: file });
  const db = await nativeClient(orm);
  db.pragma('journal_mode = WAL');
  // Rows are folded from the log, so a power cut may cost the newest transactions but never their order.
  db.pragma('synchronous = NORMAL');
  db.pragma('busy_timeout = 5000');
  return orm;
}

const nativeClient = (orm: MikroORM): Promise<Db> => orm.em.getConnection().getNativeClient();

async function versionOf(file: string): Promise<number> {
  const orm = await MikroORM.init({ entities: [], dbName: file, discovery: { warnWhenNoEntities: false } });
  try {
    return (await nativeClient(orm)).pragma('user_version', { simple: true }) as number;
  } catch {
    return -1;
  } finally {
    await orm.close();
  }
}
