import { setTimeout as sleep } from 'node:timers/promises';
import type { Envelope } from '#events/envelope.js';
import { seal } from '../../src/log/hash-chain.js';
import type { JetStreamLog } from '../../src/log/jetstream.log.js';
import type { Client } from './client.js';
import type { Accepted } from './load.js';
import { step } from './missions.js';
import { ENDS, told } from './record.js';

export interface Tampered extends Accepted {
  /** Not so when the run had ended before it could be paused. */
  readonly forged: boolean;
}

/** An event of a version that is yet to come. */
export const UNKNOWN_TYPE = 'run.teleported';

/** Hands in a run, pauses it, and forges the event that would wake it: its body is not what its hash says. */
export const tamper = (client: Client, log: JetStreamLog, name: string, url: string): Promise<Tampered> =>
  writeInto({ client, log, name, url }, forgedAfter);

/** Hands in a run, pauses it, and writes an event into it that is sound and that nobody here knows. */
export const writeNewer = (client: Client, log: JetStreamLog, name: string, url: string): Promise<Tampered> =>
  writeInto({ client, log, name, url }, newerAfter);

interface Victim {
  readonly client: Client;
  readonly log: JetStreamLog;
  readonly name: string;
  readonly url: string;
}

async function writeInto(
  { client, log, name, url }: Victim,
  eventAfter: (last: Envelope) => Envelope,
): Promise<Tampered> {
  const steps = ['a', 'b'].map((id) => step(id, 'test.effect', { url, delayMs: 2_000 }));
  const headers = { 'idempotency-key': name };
  const mission = { objective: name, plan: { steps }, limits: { maxParallel: 1 } };
  const { body } = await client.ask('/missions', { method: 'POST', headers, body: mission });
  const runId = body.runId as string;
  await client.ask(`/runs/${runId}/pause`, { method: 'POST', body: {} });
  for (;;) {
    const outcome = await append(log, runId, eventAfter).catch(() => 'later' as const);
    if (outcome !== 'later') return { runId, mission, forged: outcome === 'forged' };
    await sleep(50);
  }
}

async function append(
  log: JetStreamLog,
  runId: string,
  eventAfter: (last: Envelope) => Envelope,
): Promise<'forged' | 'too late' | 'later'> {
  const last = (await log.read(runId)).at(-1)!;
  const { type, body } = told(last);
  if (ENDS.has(type)) return 'too late';
  if (type !== 'run.paused') return 'later';
  await log.append(eventAfter(body), last.seq);
  return 'forged';
}

const forgedAfter = (last: Envelope): Envelope => ({
  ...soundAfter(last, 'run.resumed', 'executing'),
  data: { note: 'nobody wrote this' },
});

const newerAfter = (last: Envelope): Envelope => soundAfter(last, UNKNOWN_TYPE, 'paused');

function soundAfter(last: Envelope, type: string, stateto: string): Envelope {
  const { hash: prevhash, ...rest } = last;
  const rev = last.rev + 1;
  return seal({
    ...rest,
    id: `${last.subject}:${rev}`,
    type: `skyagent.${type}`,
    dataschema: last.dataschema.replace('run.paused', type),
    time: new Date().toISOString(),
    rev,
    statefrom: 'paused',
    stateto,
    actor: 'operator:local',
    causationid: 'req_forged',
    prevhash,
    data: {},
  });
}
