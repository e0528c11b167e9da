import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { FIRST_PREVHASH } from '#events/envelope.js';
import { honest, tally, type Evidence, type Finding } from './evidence.js';
import { ReplayMismatchError, replayRun } from '../../src/runs/replay-run.js';
import { ENDS, type Told } from './record.js';
import { UNKNOWN_TYPE } from './tamper.js';

/** What must hold of the log alone. */
export const logChecks = [i1, i2, i3, i4, i5, i6, i7, i14, i18, i19, i20, i21, i22];

function i1({ notes, told }: Evidence): Finding {
  const { check, done } = tally();
  const accepted = new Set(notes.accepted.map(({ runId }) => runId));
  for (const runId of accepted) {
    const created = (told.get(runId) ?? []).filter(({ type }) => type === 'run.created').length;
    check(created === 1, () => `${runId}: ${created} run.created`);
  }
  const strangers = [...told.keys()].filter((runId) => !accepted.has(runId));
  check(strangers.length === 0, () => `runs nobody was answered about: ${strangers.join(', ')}`);
  return done('I1', 'an accepted mission has exactly one run.created, and nothing else has one');
}

function i2({ notes: { reused } }: Evidence): Finding {
  const claim = 'the same Idempotency-Key and body give the same answer, another body gives 422';
  return { invariant: 'I2', claim, checked: reused.count, violations: reused.wrong };
}

function i3(evidence: Evidence): Finding {
  const { check, done } = tally();
  for (const [runId, events] of honest(evidence)) {
    const ends = events.filter(({ type }) => ENDS.has(type)).map(({ type }) => type);
    const last = events.at(-1)!.type;
    check(ends.length <= 1, () => `${runId}: ${ends.join(', ')}`);
    check(ends.length === 0 || ENDS.has(last), () => `${runId}: ${last} after ${ends.join(', ')}`);
  }
  return done('I3', 'one terminal event a run, and nothing after it');
}

function i4({ told }: Evidence): Finding {
  const { check, done } = tally();
  for (const [runId, events] of told) {
    for (const [index, { body, seq }] of events.entries()) {
      check(body.rev === index + 1, () => `${runId}: event ${index + 1} has revision ${body.rev}`);
      check(index === 0 || seq > events[index - 1]!.seq, () => `${runId}: sequence ${seq} at ${index + 1}`);
    }
  }
  return done('I4', 'revisions are 1..n, without gap or repeat, in the order of the stream');
}

function i5({ told, tampered }: Evidence): Finding {
  const { check, done } = tally();
  for (const [runId, events] of told) {
    for (const [index, { body, type }] of events.entries()) {
      // What was forged must be the last thing that happened, but for the notice of it.
      if (tampered.has(runId) && events[index + 1]?.type === 'run.quarantined') continue;
      const { hash, ...unhashed } = body;
      const text = canonicalize(unhashed)!;
      check(sha256(text) === hash, () => `${runId}: the hash of revision ${body.rev} (${type})`);
      const before = events[index - 1]?.body.hash ?? FIRST_PREVHASH;
      check(body.prevhash === before, () => `${runId}: prevhash of revision ${body.rev} (${type})`);
    }
  }
  return done('I5', 'every event has its own hash and the hash of the one before it');
}

function i6(evidence: Evidence): Finding {
  const { check, done } = tally();
  for (const [runId] of honest(evidence)) {
    const problem = problemOf(() => replayRun(evidence.histories.get(runId)!));
    check(!problem || problem instanceof ReplayMismatchError, () => `${runId}: ${problem!.message}`);
  }
  return done('I6', 'the machine of the run accepts every event');
}

function i7(evidence: Evidence): Finding {
  const { check, done } = tally();
  for (const [runId] of honest(evidence)) {
    const problem = problemOf(() => replayRun(evidence.histories.get(runId)!));
    check(!(problem instanceof ReplayMismatchError), () => `${runId}: ${problem!.message}`);
  }
  return done('I7', 'replay reaches every state that was live');
}

function problemOf(work: () => unknown): Error | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

function i14(evidence: Evidence): Finding {
  const { check, done } = tally();
  for (const [runId, events] of honest(evidence)) {
    for (const retried of events.filter(({ type }) => type === 'step.retried')) {
      const { stepId, attempt, retryAt } = retried.body.data as unknown as Retried;
      const fired = events.filter(({ body }) => body.data.timer === `timer:${stepId}:${attempt}`);
      check(fired.length <= 1, () => `${runId}: ${fired.length} × timer of ${stepId}`);
      const early = fired.find(({ at }) => at < Date.parse(retryAt));
      check(!early, () => `${runId}: the timer of ${stepId} fired before ${retryAt}`);
    }
  }
  return done('I14', 'a timer fires once and never early');
}

interface Retried {
  readonly stepId: string;
  readonly attempt: number;
  readonly retryAt: string;
}

function i18({ told, tampered }: Evidence): Finding {
  const { check, done } = tally();
  const last = (events: readonly Told[]) => events.at(-1)!.type;
  for (const runId of tampered) {
    const end = last(told.get(runId)!);
    check(end === 'run.quarantined', () => `${runId}: it was forged, and ends with ${end}`);
  }
  for (const [runId, events] of told) {
    if (!tampered.has(runId)) check(last(events) !== 'run.quarantined', () => `${runId}: nobody forged it`);
  }
  return done('I18', 'a run whose history was forged is put in quarantine, and no other run is');
}

function i19({ afterRedelivery, redelivered }: Evidence): Finding {
  const violations = afterRedelivery > 0 ? [`${afterRedelivery} events were written`] : [];
  return {
    invariant: 'I19',
    claim: 'every wake-up delivered once more changes nothing',
    checked: redelivered,
    violations,
  };
}

function i20({ newer, told }: Evidence): Finding {
  const { check, done } = tally();
  for (const [runId, { status, code }] of newer) {
    check(
      status === 409 && code === 'run-unreadable',
      () => `${runId}: a command was answered ${status} ${JSON.stringify(code)}`,
    );
    const last = told.get(runId)!.at(-1)!.type;
    check(last === UNKNOWN_TYPE, () => `${runId}: ${last} was written after what nobody here can read`);
  }
  return done(
    'I20',
    'a run with an event of a newer version is read-only here, and nothing of it is dropped',
  );
}

function i21({ notes, histories, rows, said }: Evidence): Finding {
  const { check, done } = tally();
  const everything = `${JSON.stringify([...histories])}${JSON.stringify([...rows])}${said}`;
  for (const { runId, typed } of notes.holds)
    check(!everything.includes(typed), () => `${runId}: what a person typed is in a log, a row or an event`);
  return done('I21', 'what a person typed is in no event, no row and no log');
}

function i22({ notes, told, settled, crashes, faults }: Evidence): Finding {
  const { check, done } = tally();
  check(settled, () => 'not everything had ended in time');
  for (const [runId, end] of notes.ends) {
    const events = told.get(runId) ?? [];
    const last = events.at(-1)?.type ?? 'none';
    check(ENDS.has(last), () => `${runId}: stuck at revision ${events.length}, ${last}; last seen ${end}`);
  }
  check(crashes.length === 0, () => crashes.join('\n'));
  check(faults.length === 0, () => `${faults.length} answers 500: ${faults[0]}`);
  return done('I22', 'every run comes to its end, and no process fails on its own');
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
