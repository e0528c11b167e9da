import { FIRST_PREVHASH, type Envelope } from '#events/envelope.js';
import { seal } from '../../src/log/hash-chain.js';

/** An event body a log takes: sealed, linked to the one before it. Logs do not look into `data`. */
export function envelopeAfter(
  previous: Envelope | undefined,
  runId: string,
  type: string,
  data: Envelope['data'] = {},
): Envelope {
  const rev = (previous?.rev ?? 0) + 1;
  return seal({
    specversion: '1.0',
    id: `${runId}:${rev}`,
    source: `/runs/${runId}`,
    type: `skyagent.${type}`,
    subject: runId,
    time: '2026-11-22T09:00:00.000Z',
    datacontenttype: 'application/json',
    dataschema: `urn:skyagentos:schema:${type}:1`,
    rev,
    schemaversion: 1,
    machine: 'run@1',
    statefrom: 'executing',
    stateto: 'executing',
    actor: 'test',
    causationid: 'req_1',
    prevhash: previous?.hash ?? FIRST_PREVHASH,
    data,
  });
}

/** A linked history of these types. */
export const historyOf = (runId: string, ...types: string[]): Envelope[] =>
  types.reduce<Envelope[]>((history, type) => [...history, envelopeAfter(history.at(-1), runId, type)], []);
