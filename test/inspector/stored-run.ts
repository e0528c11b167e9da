import type { Envelope } from '#events/envelope.js';
import { isRefusal, type RunCommand } from '#machines/run/run.decide.js';
import type { StoredEvent } from '../../src/log/event-log.js';
import { foldAll, write, writeFirst } from '../../src/runs/run-state.js';
import * as a from '../machines/samples.js';

const timeOf = (second: number) => new Date(Date.UTC(2026, 10, 22, 9, 0, second)).toISOString();
const stored = (envelope: Envelope): StoredEvent => ({ partition: 0, seq: envelope.rev, body: envelope });

/** The history of a run of one step, one event a second from nine o'clock, as a log holds it. */
export function storedRun(runId = 'run_1'): StoredEvent[] {
  const created = {
    type: 'run.created' as const,
    data: {
      mission: a.withSteps([a.safeStep('look')]),
      machine: 'run@1',
      dryRun: false,
      requestDigest: a.DIGEST,
    },
  };
  const first = writeFirst(runId, created, { actor: 'operator:test', time: timeOf(0), causationid: 'req_1' });
  return [a.started(), a.succeeded('look'), a.runSucceeded()].map(a.record).reduce(next, [stored(first)]);
}

function next(history: StoredEvent[], command: RunCommand): StoredEvent[] {
  const state = foldAll(history)!;
  const written = write(state, command, {
    actor: 'worker:test',
    time: timeOf(state.rev),
    causationid: `${state.runId}:${state.rev}`,
  });
  if (isRefusal(written)) throw new Error(written.message);
  return [...history, stored(written.envelope)];
}
