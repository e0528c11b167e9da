import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { decode } from '#events/catalog.js';
import type { Envelope } from '#events/envelope.js';
import { createRecogniser } from '../../src/log/recognise.js';
import { packageRoot } from '../../src/setup/package-root.js';

const folder = join(packageRoot, 'events', 'fixtures');
const fixtures = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file): [string, Envelope] => [
    file,
    JSON.parse(readFileSync(join(folder, file), 'utf8')) as Envelope,
  ]);
const recognise = createRecogniser();

describe('the recogniser', () => {
  it.each(fixtures)('says of %s what decode says', (_, body) => {
    expect(recognise(body)).toEqual(decode(body));
    expect(recognise(body).kind).toBe('known');
  });

  it.each(fixtures)('refuses %s with a field too many or of another type, as decode does', (_, body) => {
    const { data } = body;
    const spoiled = [
      { ...body, data: { ...data, added: 1 } },
      ...Object.keys(data).map((field) => ({ ...body, data: { ...data, [field]: { not: 'this' } } })),
      { ...body, rev: 0 },
      { ...body, time: 5 },
      { ...body, hash: 'x' },
    ];
    for (const each of spoiled) expect(recognise(each).kind).toBe(decode(each).kind);
    expect(recognise(spoiled[0]).kind).toBe('invalid');
  });

  it('leaves what it does not know to decode: other types, newer versions, no events at all', () => {
    const [, body] = fixtures[0]!;
    for (const each of [
      { ...body, type: 'skyagent.step.teleported' },
      { ...body, schemaversion: 7 },
      'text',
      null,
      [],
    ]) {
      expect(recognise(each)).toEqual(decode(each));
    }
  });
});
