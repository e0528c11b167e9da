import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import canonicalize from 'canonicalize';
import { catalog, decode } from '#events/catalog.js';
import { fixture, fixtureTypes, FIXTURES } from './fixtures.js';

const TYPES = [
  'run.created',
  'run.started',
  'run.recovered',
  'run.pause-requested',
  'run.paused',
  'run.resumed',
  'run.cancel-requested',
  'run.cancelled',
  'run.succeeded',
  'run.failed',
  'run.quarantined',
  'timer.fired',
  'validation.passed',
  'validation.failed',
  'plan.proposed',
  'plan.failed',
  'plan.approved',
  'plan.rejected',
  'step.started',
  'step.expanded',
  'step.performed',
  'step.succeeded',
  'step.failed',
  'step.retried',
  'step.suspended',
  'step.in-doubt',
  'step.reconciled',
  'step.approval-requested',
  'step.approved',
  'step.rejected',
  'step.skipped',
  'budget.exhausted',
  'budget.raised',
  'control.taken',
  'control.renewed',
  'control.acted',
  'control.released',
];
const sha256 = (value: unknown): string => createHash('sha256').update(canonicalize(value)!).digest('hex');

describe('the catalogue', () => {
  it('holds exactly these event types', () => {
    expect([...catalog.keys()]).toEqual(TYPES);
  });

  it('has every event at version 1', () => {
    const versions = [...catalog.values()].map(({ version }) => version);
    expect([...new Set(versions)]).toEqual([1]);
  });

  it('has a fixture for every event, and an event for every fixture', () => {
    expect(fixtureTypes().sort()).toEqual([...TYPES].sort());
  });
});

describe.each(TYPES)('the fixture of %s', (type) => {
  it('decodes to a known event with its place', () => {
    const { rev, time, actor } = fixture(type);
    expect(decode(fixture(type))).toMatchObject({ kind: 'known', event: { type, rev, time, actor } });
  });

  it('says who it is: id, source, subject, type and schema belong together', () => {
    const body = fixture(type);
    expect(body).toMatchObject({
      id: `run_01JD9Z3V8QH5T2M6K4X7R0WBCE:${String(body['rev'])}`,
      source: '/runs/run_01JD9Z3V8QH5T2M6K4X7R0WBCE',
      subject: 'run_01JD9Z3V8QH5T2M6K4X7R0WBCE',
      type: `skyagent.${type}`,
      dataschema: `urn:skyagentos:schema:${type}:1`,
    });
  });

  it('comes out of decode byte for byte as it was stored', () => {
    const text = readFileSync(join(FIXTURES, `${type}.json`), 'utf8');
    const decoded = decode(fixture(type));
    if (decoded.kind !== 'known') throw new Error(decoded.kind);
    const { data } = decoded.event;
    expect(`${JSON.stringify(decoded.envelope, null, 2)}\n`).toBe(text);
    expect(canonicalize(data)).toBe(canonicalize(fixture(type).data));
  });

  it('carries the hash of everything else in it', () => {
    const { hash, ...unhashed } = fixture(type);
    expect(hash).toBe(sha256(unhashed));
  });
});

describe('decode', () => {
  it('answers unknown-type for a type it does not know, and keeps the body', () => {
    const body = { ...fixture('run.started'), type: 'skyagent.run.teleported' };
    expect(decode(body)).toEqual({
      kind: 'unknown-type',
      type: 'run.teleported',
      schemaversion: 1,
      envelope: body,
    });
  });

  it('answers unknown-type for a version newer than its own, whatever the data', () => {
    const body = { ...fixture('run.started'), schemaversion: 2, data: { from: 'the future' } };
    expect(decode(body)).toEqual({
      kind: 'unknown-type',
      type: 'run.started',
      schemaversion: 2,
      envelope: body,
    });
  });

  it('keeps an attribute it has no name for: the hash covers it', () => {
    const decoded = decode({ ...fixture('run.started'), correlationid: 'order-7' });
    expect(decoded).toMatchObject({ kind: 'known', envelope: { correlationid: 'order-7' } });
  });

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['text', 'run.started'],
    ['a list', []],
    ['an empty object', {}],
  ])('answers invalid for %s', (_what, body) => {
    expect(decode(body)).toMatchObject({ kind: 'invalid' });
  });

  it.each([
    ['specversion', '0.3'],
    ['id', 'run_1'],
    ['source', '/missions/1'],
    ['type', 'run.started'],
    ['time', 'yesterday'],
    ['time', '2026-11-22T10:00:00+01:00'],
    ['datacontenttype', 'text/plain'],
    ['rev', 0],
    ['schemaversion', 0],
    ['actor', ''],
    ['hash', 'A'.repeat(64)],
    ['prevhash', undefined],
    ['data', 'none'],
  ])('answers invalid for an envelope with %s %p, and names it', (attribute, value) => {
    const decoded = decode({ ...fixture('run.started'), [attribute]: value });
    expect(decoded).toMatchObject({ kind: 'invalid', issues: [{ path: [attribute] }] });
  });

  it('answers invalid for data that is not that of the type, and names what is wrong', () => {
    const body = fixture('step.started');
    const decoded = decode({ ...body, data: { ...body.data, attempt: 0 } });
    expect(decoded).toMatchObject({ kind: 'invalid', issues: [{ path: ['attempt'] }] });
  });

  it('answers invalid for data with a field the type does not have', () => {
    const body = fixture('step.started');
    const decoded = decode({ ...body, data: { ...body.data, password: 'x' } });
    expect(decoded).toMatchObject({
      kind: 'invalid',
      issues: [{ code: 'unrecognized_keys', keys: ['password'] }],
    });
  });
});
