import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const FIXTURES = join(import.meta.dirname, '..', '..', 'events', 'fixtures');
export const SCHEMAS = join(import.meta.dirname, '..', '..', 'events', 'schemas');

/** A stored body, as an object that may be changed. */
export const fixture = (type: string): Record<string, unknown> & { data: Record<string, unknown> } =>
  JSON.parse(readFileSync(join(FIXTURES, `${type}.json`), 'utf8'));

/** The event types that have a fixture. */
export const fixtureTypes = (): string[] => readdirSync(FIXTURES).map((file) => file.replace(/\.json$/, ''));
