import { catalog, eventOf, type NewEvent, type RunEvent } from '#events/catalog.js';
import { dataSchemaOf } from '#events/define-event.js';
import { eventId, FIRST_PREVHASH, TYPE_PREFIX, type Envelope } from '#events/envelope.js';
import { digestSchema, type Failure } from '#events/shapes.js';
import { WAKE_UP_TYPES } from '#events/subjects.js';
import { begin, evolve } from '#machines/kernel/kernel.js';
import { CURRENT_RUN_MACHINE, runMachineOf } from '#machines/registry.js';
import {
  handle,
  isRefusal,
  type Refusal,
  type RunCommand,
  type RunSnapshot,
} from '#machines/run/run.decide.js';
import { isResting, statusOf } from '#machines/run/run.effects.js';
import type { StoredEvent } from '../log/event-log.js';
import { createRecogniser } from '../log/recognise.js';
import { checkLink, seal } from '../log/hash-chain.js';

/** A run as its log tells it: the snapshot, and the place of the last event. */
export interface RunState {
  readonly runId: string;
  readonly machine: string;
  readonly snapshot: RunSnapshot;
  readonly rev: number;
  readonly seq: number;
  readonly hash: string;
  readonly partition: number;
  /** Revision of the event that last woke the run from rest: only its wake-up makes an owner. */
  readonly wakeRev: number;
  readonly createdAt: string;
  readonly requestDigest: string;
  /** The last worker that wrote to the run, as `worker:<id>`. */
  readonly lastWorker: string | undefined;
}

/** A stored event this version of SkyAgentOS cannot read. The run is read-only here; no event is skipped. */
export class UnreadableRunError extends Error {
  readonly code = 'run-unreadable';
  constructor(
    readonly runId: string,
    detail: string,
    /** Written by a newer version, which can read it. */
    readonly newer = false,
  ) {
    super(`run ${runId} cannot be read by this version: ${detail}`);
    this.name = 'UnreadableRunError';
  }
}

/** The run was put into quarantine: its history cannot be replayed, so nothing can be decided on it. */
export class RunQuarantinedError extends Error {
  readonly code = 'run-quarantined';
  constructor(
    readonly runId: string,
    readonly failure: Failure,
  ) {
    super(`run ${runId} is in quarantine: ${failure.message}`);
    this.name = 'RunQuarantinedError';
  }
}

const recognise = createRecogniser();

/** What a stored event says, or an error that names what is wrong with it. */
export function readStored(stored: StoredEvent): { event: RunEvent; envelope: Envelope } {
  const decoded = recognise(stored.body);
  if (decoded.kind === 'known') return decoded;
  const runId = (stored.body as Partial<Envelope> | null)?.subject ?? 'unknown';
  throw new UnreadableRunError(
    runId,
    decoded.kind === 'unknown-type'
      ? `event type ${decoded.type} version ${decoded.schemaversion} is not known`
      : `the event at sequence ${stored.seq} is not valid`,
    decoded.kind === 'unknown-type',
  );
}

/** Folds one stored event, checking its place in the hash chain. */
export function foldStored(state: RunState | undefined, stored: StoredEvent): RunState {
  const { event, envelope } = readStored(stored);
  checkLink(stored.body as Envelope, state);
  return state ? next(state, event, envelope, stored.seq) : firstState(event, envelope, stored);
}

/** The state of a run this process has just created, from the envelope it sealed itself. */
export function foldFresh(envelope: Envelope, stored: StoredEvent): RunState {
  return firstState(eventOf('run.created', envelope, envelope.data), envelope, stored);
}

/** Folds events in order. A run in quarantine is not folded at all: what is before that event cannot be. */
export function foldAll(events: readonly StoredEvent[], state?: RunState): RunState | undefined {
  const last = events.at(-1);
  const decoded = last && recognise(last.body);
  if (decoded?.kind === 'known' && decoded.event.type === 'run.quarantined')
    throw new RunQuarantinedError(decoded.envelope.subject, decoded.event.data.failure);
  return events.reduce<RunState | undefined>(foldStored, state);
}

function firstState(event: RunEvent, envelope: Envelope, stored: StoredEvent): RunState {
  if (event.type !== 'run.created')
    throw new UnreadableRunError(envelope.subject, `it begins with ${event.type}`);
  const { mission, dryRun, machine, requestDigest, reuse, startAt } = event.data;
  return {
    runId: envelope.subject,
    machine,
    snapshot: begin(runMachineOf(machine), { mission, dryRun, reuse, startAt }),
    rev: 1,
    seq: stored.seq,
    hash: envelope.hash,
    partition: stored.partition,
    wakeRev: 1,
    createdAt: event.time,
    requestDigest,
    lastWorker: undefined,
  };
}

function next(state: RunState, event: RunEvent, envelope: Envelope, seq: number): RunState {
  const snapshot = evolve(runMachineOf(state.machine), state.snapshot, event);
  return {
    ...state,
    snapshot,
    rev: event.rev,
    seq,
    hash: envelope.hash,
    wakeRev: wakeRevAfter(state, event),
    lastWorker: workerIn(event.actor) ?? state.lastWorker,
  };
}

const workerIn = (actor: string): string | undefined => (actor.startsWith('worker:') ? actor : undefined);

const WAKE_UPS: ReadonlySet<string> = new Set(WAKE_UP_TYPES);
const wakeRevAfter = (state: RunState, event: RunEvent): number =>
  WAKE_UPS.has(event.type) && isResting(state.snapshot) ? event.rev : state.wakeRev;

/** Who writes an event, when, and because of what (the id of an earlier event or of a request). */
export interface Authorship {
  readonly actor: string;
  readonly time: string;
  readonly causationid: string;
}

/** The next event of a run, sealed, and the state after it; its `seq` is known once it is appended. */
export interface Written {
  readonly envelope: Envelope;
  readonly after: RunState;
}

/** Decides a command and writes the event it leads to; or says why the command is not legal. */
export function write(state: RunState, command: RunCommand, by: Authorship): Written | Refusal {
  const handled = handle(state.snapshot, command, { rev: state.rev + 1, time: by.time, actor: by.actor });
  if (isRefusal(handled)) return handled;
  const { event, snapshot } = handled;
  const envelope = sealed(event, {
    runId: state.runId,
    machine: state.machine,
    statefrom: statusOf(state.snapshot),
    stateto: statusOf(snapshot),
    causationid: by.causationid,
    prevhash: state.hash,
    simulated: state.snapshot.context.dryRun,
  });
  const after = {
    ...state,
    snapshot,
    rev: event.rev,
    hash: envelope.hash,
    wakeRev: wakeRevAfter(state, event),
    lastWorker: workerIn(event.actor) ?? state.lastWorker,
  };
  return { envelope, after };
}

/** The first event of a run. */
export function writeFirst(
  runId: string,
  event: Extract<NewEvent, { type: 'run.created' }>,
  by: Authorship,
): Envelope {
  return sealed(
    { ...event, rev: 1, time: by.time, actor: by.actor },
    {
      runId,
      machine: CURRENT_RUN_MACHINE,
      statefrom: 'none',
      stateto: 'queued',
      causationid: by.causationid,
      prevhash: FIRST_PREVHASH,
      simulated: event.data.dryRun,
    },
  );
}

/** The event that puts a run into quarantine, after a last event that may be anything. */
export function writeQuarantine(
  runId: string,
  last: StoredEvent,
  count: number,
  failure: Failure,
  by: Authorship,
): Envelope {
  const before = (last.body ?? {}) as Partial<Envelope>;
  const rev = Number.isInteger(before.rev) ? before.rev! + 1 : count + 1;
  return sealed(
    { type: 'run.quarantined', data: { failure }, rev, time: by.time, actor: by.actor },
    {
      runId,
      machine: before.machine ?? CURRENT_RUN_MACHINE,
      statefrom: before.stateto ?? 'unknown',
      stateto: 'quarantined',
      causationid: by.causationid,
      prevhash: digestSchema.safeParse(before.hash).data ?? FIRST_PREVHASH,
      simulated: before.simulated ?? false,
    },
  );
}

interface Frame {
  readonly runId: string;
  readonly machine: string;
  readonly statefrom: string;
  readonly stateto: string;
  readonly causationid: string;
  readonly prevhash: string;
  readonly simulated: boolean;
}

function sealed(event: RunEvent, frame: Frame): Envelope {
  const definition = catalog.get(event.type)!;
  const { runId, simulated, ...rest } = frame;
  return seal({
    specversion: '1.0',
    id: eventId(runId, event.rev),
    source: `/runs/${runId}`,
    type: TYPE_PREFIX + event.type,
    subject: runId,
    time: event.time,
    datacontenttype: 'application/json',
    dataschema: dataSchemaOf(definition),
    rev: event.rev,
    schemaversion: definition.version,
    actor: event.actor,
    ...rest,
    ...(simulated && { simulated }),
    data: event.data as Envelope['data'],
  });
}
