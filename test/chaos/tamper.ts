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

/** Hands in a run, pauses it, and forges the event that would wake it: its body is not what its hash says. */
export async function tamper(
  client: Client,
  log: JetStreamLog,
  name: string,
  url: string,
): Promise<Tampered> {
  const steps = ['a', 'b'].map((id) => step(id, 'test.effect', { url, delayMs: 2_000 }));
  const headers = { 'idempotency-key': name };
  const mission = { objective: name, plan: { steps }, limits: { maxParallel: 1 } };
  const { body } = await client.ask('/missions', { method: 'POST', headers, body: mission });
  const runId = body.runId as string;
  await client.ask(`/runs/${runId}/pause`, { method: 'POST', body: {} });
  for (;;) {
    const outcome = await forge(log, runId).catch(() => 'later' as const);
    if (outcome !== 'later') return { runId, mission, forged: outcome === 'forged' };
    await sleep(50);
  }
}

async function forge(log: JetStreamLog, runId: string): Promise<'forged' | 'too late' | 'later'> {
  const last = (await log.read(runId)).at(-1)!;
  const { type, body } = told(last);
  if (ENDS.has(type)) return 'too late';
  if (type !== 'run.paused') return 'later';
  await log.append(forgedAfter(body), last.seq);
  return 'forged';
}

function forgedAfter(last: Envelope): Envelope {
  const { hash: prevhash, ...rest } = last;
  const rev = last.rev + 1;
  const honest = seal({
    ...rest,
    id: `${last.subject}:${rev}`,
    type: 'skyagent.run.resumed',
    dataschema: last.dataschema.replace('run.paused', 'run.resumed'),
    time: new Date().toISOString(),
    rev,
    statefrom: 'paused',
    stateto: 'executing',
    actor: 'operator:local',
    causationid: 'req_forged',
    prevhash,
    data: {},
  });
  return { ...honest, data: { note: 'nobody wrote this' } };
}
