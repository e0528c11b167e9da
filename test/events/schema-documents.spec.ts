import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Parser } from '@asyncapi/parser';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { asyncApiDocument, jsonSchemas, renderDocuments } from '#events/schema-documents.js';
import { fixture, fixtureTypes, SCHEMAS } from './fixtures.js';

const schemas = jsonSchemas();
const documents = renderDocuments();

/** Strict, so that a keyword or format that means nothing is refused; dates are held by their pattern. */
const compile = (name: string): ValidateFunction =>
  new Ajv2020({ strictSchema: true, formats: { 'date-time': true } }).compile(schemas[name]!);

describe('the files in events/schemas', () => {
  it('are exactly what the events say; else run `npm run schemas`', () => {
    const onDisk = readdirSync(SCHEMAS).map(
      (name) => [name, readFileSync(join(SCHEMAS, name), 'utf8')] as const,
    );
    const stale = [...documents]
      .filter(([name, text]) => new Map(onDisk).get(name) !== text)
      .map(([name]) => name);
    const orphans = onDisk.filter(([name]) => !documents.has(name)).map(([name]) => name);
    expect({ 'run `npm run schemas`': [...stale, ...orphans] }).toEqual({ 'run `npm run schemas`': [] });
  });

  it('are JSON of two spaces with a line end', () => {
    for (const text of documents.values())
      expect(`${JSON.stringify(JSON.parse(text), null, 2)}\n`).toBe(text);
  });

  it('are one for every event, and eight besides', () => {
    const ofEvents = fixtureTypes().map((type) => `${type}.v1.json`);
    const desktop = ['answer', 'command', 'control', 'info'].map((what) => `desktop-${what}.json`);
    const besides = ['asyncapi.json', 'envelope.json', 'mission-request.json', 'plan.json', ...desktop];
    expect([...documents.keys()].sort()).toEqual([...ofEvents, ...besides].sort());
  });
});

describe('the JSON Schema', () => {
  it.each(fixtureTypes())('of %s is named by the dataschema of its events', (type) => {
    const { $id, $schema } = schemas[`${type}.v1.json`]!;
    expect([$id, $schema]).toEqual([
      fixture(type)['dataschema'],
      'https://json-schema.org/draft/2020-12/schema',
    ]);
  });

  it.each(fixtureTypes())('of %s accepts its fixture, and nothing besides', (type) => {
    const validate = compile(`${type}.v1.json`);
    const { data } = fixture(type);
    expect([validate(data), validate.errors]).toEqual([true, null]);
    expect(validate({ ...data, password: 'x' })).toBe(false);
  });

  it.each(fixtureTypes())('of the envelope accepts the fixture of %s', (type) => {
    const validate = compile('envelope.json');
    expect([validate(fixture(type)), validate.errors]).toEqual([true, null]);
  });

  it('of the envelope accepts an attribute it does not name, and no wrong one', () => {
    const validate = compile('envelope.json');
    expect(validate({ ...fixture('run.paused'), correlationid: 'order-7' })).toBe(true);
    expect(validate({ ...fixture('run.paused'), rev: 0 })).toBe(false);
    expect(validate({ ...fixture('run.paused'), time: '2026-11-22T10:00:00+01:00' })).toBe(false);
    expect(validate({ ...fixture('run.paused'), source: '/missions/1' })).toBe(false);
  });

  it('of a mission lets a client leave out what has a default', () => {
    const validate = compile('mission-request.json');
    expect(validate({ objective: 'buy milk' })).toBe(true);
    expect(validate({ objective: 'buy milk', inputs: { list: [1, { deep: null }] } })).toBe(true);
    expect(validate({ objective: 'buy milk', budget: 3 })).toBe(false);
  });

  it('of a plan refuses what a step does not have', () => {
    const validate = compile('plan.json');
    const step = { id: 'a', title: 'a step', do: 'workspace.call', with: { tool: 'noop' } };
    expect(validate({ steps: [step] })).toBe(true);
    expect(validate({ steps: [{ ...step, retry: { max: 1 } }] })).toBe(true);
    expect(validate({ steps: [{ ...step, do: 'kitchen.cook' }] })).toBe(false);
    expect(validate({ steps: [{ ...step, forEach: 'no expression' }] })).toBe(false);
  });

  it('has only patterns that every language can read', () => {
    for (const text of documents.values()) expect(text).not.toContain('[^]');
  });

  it('refers to nothing outside of itself', () => {
    for (const schema of Object.values(schemas)) expect(JSON.stringify(schema)).not.toContain('$ref');
  });
});

interface AsyncApi {
  channels: Record<string, Record<string, unknown>>;
  operations: Record<string, Record<string, unknown>>;
  components: { messages: Record<string, { payload: { properties: Record<string, unknown> } }> };
}
const asyncApi = asyncApiDocument() as unknown as AsyncApi;

describe('the AsyncAPI document', () => {
  it('is one, without an error or a warning', async () => {
    const { diagnostics } = await new Parser().parse(documents.get('asyncapi.json')!);
    const serious = diagnostics.filter(({ severity }) => severity < 2);
    expect(serious.map(({ message, path }) => `${path.join('.')}: ${message}`)).toEqual([]);
  });

  it('would be refused by the same parser with a reference that leads nowhere', async () => {
    const broken = documents.get('asyncapi.json')!.replace('#/channels/run.created"', '#/channels/nowhere"');
    const { diagnostics } = await new Parser().parse(broken);
    expect(diagnostics.some(({ severity }) => severity === 0)).toBe(true);
  });

  it('has a channel for every event, addressed by its subject, and one for the traces', () => {
    expect(Object.keys(asyncApi.channels).sort()).toEqual([...fixtureTypes(), 'trace'].sort());
    expect(asyncApi.channels['trace']).toMatchObject({ address: 'skyagent.traces.{runId}.{stepId}' });
    expect(asyncApi.channels['step.in-doubt']).toMatchObject({
      address: 'skyagent.runs.{partition}.{runId}.step.in-doubt',
      messages: { 'step.in-doubt': { $ref: '#/components/messages/step.in-doubt' } },
      'x-jetstream': { streams: 'SKYAGENT_RUNS_{partition}' },
    });
  });

  it('says that SkyAgentOS sends every event', () => {
    expect(Object.keys(asyncApi.operations)).toHaveLength(38);
    expect(asyncApi.operations['sendStepInDoubt']).toEqual({
      action: 'send',
      channel: { $ref: '#/channels/step.in-doubt' },
      messages: [{ $ref: '#/channels/step.in-doubt/messages/step.in-doubt' }],
    });
  });

  it.each(fixtureTypes())('describes the whole message of %s', (type) => {
    const { payload } = asyncApi.components.messages[type]!;
    const validate = new Ajv2020({ strictSchema: true, formats: { 'date-time': true } }).compile(payload);
    const body = fixture(type);
    expect([validate(body), validate.errors]).toEqual([true, null]);
    expect(validate({ ...body, type: 'skyagent.run.teleported' })).toBe(false);
    expect(validate({ ...body, data: { ...body.data, password: 'x' } })).toBe(false);
  });

  it('names the content type of CloudEvents', () => {
    expect(asyncApi.components.messages['run.created']).toMatchObject({
      name: 'run.created',
      contentType: 'application/cloudevents+json',
    });
  });
});
