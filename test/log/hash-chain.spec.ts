import { describe, expect, it } from '@jest/globals';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import type { Envelope } from '#events/envelope.js';
import {
  BrokenChainError,
  canonicalJson,
  checkLink,
  digestOf,
  seal,
  textOf,
} from '../../src/log/hash-chain.js';
import { historyOf } from '../support/envelopes.js';

const history = () =>
  historyOf('run_1', 'run.created', 'run.started', 'run.succeeded') as [Envelope, Envelope, Envelope];

describe('a sealed event', () => {
  it('has this hash, for good', () => {
    const [created] = history();
    expect(created).toEqual({
      specversion: '1.0',
      id: 'run_1:1',
      source: '/runs/run_1',
      type: 'skyagent.run.created',
      subject: 'run_1',
      time: '2026-11-22T09:00:00.000Z',
      datacontenttype: 'application/json',
      dataschema: 'urn:skyagentos:schema:run.created:1',
      rev: 1,
      schemaversion: 1,
      machine: 'run@1',
      statefrom: 'executing',
      stateto: 'executing',
      actor: 'test',
      causationid: 'req_1',
      prevhash: '0000000000000000000000000000000000000000000000000000000000000000',
      data: {},
      hash: '42e9be13f204943062b44d9991f5e5b3fde38ae860c7b53aaf36af28f9d90ea5',
    });
  });

  it('has the SHA-256 of its canonical JSON: keys in order, no white space, numbers as RFC 8785 writes them', () => {
    expect(canonicalJson({ b: [1.0, 1e21, -0], a: 'ä\n' })).toBe('{"a":"ä\\n","b":[1,1e+21,0]}');
    expect(digestOf({ b: 1, a: 2 })).toBe('d3626ac30a87e6f7a6428233b3c68299976865fa5508e4267c5415c76af7a772');
  });

  it('is canonical as an implementation of RFC 8785 by others writes it', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(canonicalJson(value)).toBe(canonicalize(value));
      }),
    );
    expect(canonicalJson({ '10': 1, '2': 2, b: [undefined, null] })).toBe('{"10":1,"2":2,"b":[null,null]}');
  });

  it('keeps its hash through the log when a text of it has half a surrogate pair', () => {
    expect(canonicalJson({ text: '\ud83d' })).toBe('{"text":"\\ud83d"}');
    expect(digestOf(JSON.parse(canonicalJson({ text: '\ud83d' })))).toBe(digestOf({ text: '\ud83d' }));
  });

  it('is stored as what was hashed, with the hash', () => {
    for (const envelope of history()) {
      expect(JSON.parse(textOf(envelope))).toEqual(envelope);
      expect(textOf({ ...envelope })).toBe(JSON.stringify(envelope));
    }
  });

  it('has the same hash before and after a field without a value was stored', () => {
    expect(digestOf({ a: 1, reason: undefined })).toBe(
      digestOf(JSON.parse(JSON.stringify({ a: 1, reason: undefined }))),
    );
  });
});

describe('a link of the chain', () => {
  it('holds when nothing was changed', () => {
    const [created, started, succeeded] = history();
    expect(() => checkLink(created, undefined)).not.toThrow();
    expect(() => checkLink(started, created)).not.toThrow();
    expect(() => checkLink(succeeded, started)).not.toThrow();
  });

  it.each(Object.keys(history()[1]))('breaks when %s was changed afterwards', (field) => {
    const [created, started] = history();
    const value = started[field as keyof Envelope];
    const changed =
      typeof value === 'number' ? value + 1 : typeof value === 'string' ? `${value}0` : { added: true };
    expect(() => checkLink({ ...started, [field]: changed }, created)).toThrow(BrokenChainError);
  });

  it('breaks when a field was added or taken away', () => {
    const [created, started] = history();
    expect(() => checkLink({ ...started, simulated: true }, created)).toThrow(BrokenChainError);
    const { causationid: _, ...shorter } = started;
    expect(() => checkLink(shorter as Envelope, created)).toThrow(BrokenChainError);
  });

  it('breaks at a gap, naming the revision that was expected', () => {
    const [created, , succeeded] = history();
    expect(() => checkLink(succeeded, created)).toThrow(
      'run run_1: the hash chain is broken at revision 3: expected revision 2',
    );
    expect(() => checkLink(succeeded, undefined)).toThrow(/expected revision 1$/);
  });

  it('breaks when an event was put in the place of another, even with a sound hash of its own', () => {
    const [created, started, succeeded] = history();
    const { hash: _, ...forged } = { ...started, actor: 'someone else' };
    const replaced = seal(forged);
    expect(() => checkLink(replaced, created)).not.toThrow();
    expect(() => checkLink(succeeded, replaced)).toThrow(/prevhash is not the hash of the event before it$/);
  });

  it('says which run and revision it is', () => {
    const [created] = history();
    const broken = { ...created, actor: 'someone else' };
    try {
      checkLink(broken, undefined);
      throw new Error('it held');
    } catch (error) {
      expect(error).toMatchObject({ code: 'log-broken-chain', runId: 'run_1', rev: 1 });
    }
  });
});
