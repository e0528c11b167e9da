import { isRefusal, type OwnerCommand } from '#machines/run/run.decide.js';
import { stepById } from '#machines/run/run.context.js';
import { effectsOf, type Effect } from '#machines/run/run.effects.js';
import { eventId, type Envelope } from '#events/envelope.js';
import type { EffectDeps } from '../effects/effect.js';
import { runEffect } from '../effects/run-effect.js';
import { ConflictError, LogUnavailableError, type EventLog, type WakeUp } from '../log/event-log.js';
import { refreshRun } from './load-run.js';
import { createRunningEffects } from './running-effects.js';
import { write, type RunState } from './run-state.js';

/** The in-memory owner of one run: a mailbox, the snapshot, and the effects that are running. */
export interface RunActor {
  readonly runId: string;
  /** A hint that the log has something new. */
  poke(): void;
  /** Holds another claim on the same run. */
  adopt(claim: WakeUp): void;
  /** Tells the queue that the owner is alive. */
  heartbeat(): void;
  /** Stops without an end: safe effects are aborted, unsafe ones may finish; then the run is given back. */
  park(): Promise<void>;
}

export interface ActorDeps extends EffectDeps {
  readonly log: EventLog;
  readonly workerId: string;
  onFault(runId: string, error: unknown): void;
  /** The actor owns the run no longer: at rest, fenced or parked. */
  onGone(runId: string): void;
}

/** What an effect hands back, or (without a command) a hint to read the log. */
interface Mail {
  readonly command?: OwnerCommand | undefined;
  readonly effectId?: string;
}

const LOG_RETRY_MS = 500;

export function createRunActor(
  deps: ActorDeps,
  initial: RunState,
  claim: WakeUp,
  first?: OwnerCommand,
): RunActor {
  let state = initial;
  let epoch = initial.snapshot.context.epoch;
  let draining = false;
  let gone = false;
  let parked: (() => void) | undefined;
  const claims = [claim];
  const mailbox: Mail[] = [];
  const refuseOnce = createRefusals();
  const effects = createRunningEffects({
    perform: (effect, signal) => perform(effect, signal),
    onEnd: (effectId, command) => post({ command, effectId }),
    onFault: (error, fatal) => (fatal ? fault(error) : deps.onFault(state.runId, error)),
  });

  const perform = (effect: Effect, signal: AbortSignal) =>
    runEffect({ effect, runId: state.runId, context: state.snapshot.context, signal, deps });

  function post(mail: Mail): void {
    mailbox.push(mail);
    if (!draining && !gone) void drain();
  }

  async function drain(): Promise<void> {
    draining = true;
    try {
      for (let mail = mailbox.shift(); mail && !gone; mail = mailbox.shift()) {
        if (mail.command) await commit(mail.command, mail.effectId);
        else await refresh();
      }
      if (!gone) reconcile();
    } catch (error) {
      fault(error);
    } finally {
      draining = false;
    }
  }

  /** Decides and appends until the command is in the log, is refused, or this owner is fenced. */
  async function commit(command: OwnerCommand, effectId?: string): Promise<void> {
    while (!gone) {
      const time = new Date().toISOString();
      const by = { actor: `worker:${deps.workerId}`, time, causationid: eventId(state.runId, state.rev) };
      const written = write(state, command, by);
      if (isRefusal(written)) return refuseOnce(effectId, state.rev, written.message);
      try {
        state = { ...written.after, seq: await deps.log.append(written.envelope, state.seq) };
        epoch = Math.max(epoch, ownEpoch(command));
        return;
      } catch (error) {
        await recoverFrom(error);
      }
    }
  }

  async function recoverFrom(error: unknown): Promise<void> {
    if (error instanceof ConflictError) return refresh();
    if (!(error instanceof LogUnavailableError)) throw error;
    await new Promise((resolve) => setTimeout(resolve, LOG_RETRY_MS));
  }

  async function refresh(): Promise<void> {
    state = await refreshRun(deps.log, state);
    if (state.snapshot.context.epoch > epoch) leave(() => undefined);
    // The run rested and was woken again meanwhile: it belongs to whoever gets that wake-up.
    else if (claims.every((held) => revOf(held) < state.wakeRev)) leave((held) => held.ack());
  }

  /** Has the running effects follow the state; with none running and none wanted, the run rests. */
  function reconcile(): void {
    const wanted = effectsOf(state.snapshot);
    effects.follow(parked ? wanted.filter((effect) => isUnsafeAct(state, effect)) : wanted);
    if (effects.size === 0 && mailbox.length === 0) leave((held) => (parked ? held.release() : held.ack()));
  }

  function fault(error: unknown): void {
    leave(() => undefined);
    deps.onFault(state.runId, error);
  }

  function leave(settle: (held: WakeUp) => void): void {
    if (gone) return;
    gone = true;
    effects.abortAll();
    for (const held of claims) settle(held);
    deps.onGone(state.runId);
    parked?.();
  }

  post({ command: first });

  return {
    runId: initial.runId,
    poke: () => post({}),
    adopt: (another) => {
      claims.push(another);
      post({});
    },
    heartbeat: () => {
      for (const held of claims) held.extend();
    },
    park: () =>
      new Promise((resolve) => {
        if (gone) return resolve();
        parked = resolve;
        post({});
      }),
  };
}

/** A late outcome is refused and forgotten; an effect that is still wanted and is refused again would go on for ever. */
function createRefusals(): (effectId: string | undefined, rev: number, message: string) => void {
  const refusedAt = new Map<string, number>();
  return (effectId, rev, message) => {
    if (effectId === undefined) return;
    if (refusedAt.get(effectId) === rev) throw new Error(`the outcome of ${effectId} is refused: ${message}`);
    refusedAt.set(effectId, rev);
  };
}

/** An act that must not be cut off half-way: its intent is in the log, its outcome is not. */
function isUnsafeAct({ snapshot }: RunState, effect: Effect): boolean {
  return effect.kind === 'execute' && (stepById(snapshot.context, effect.stepId)?.intent ?? false);
}

const revOf = (claim: WakeUp): number => (claim.event.body as Envelope).rev;

function ownEpoch(command: OwnerCommand): number {
  if (command.kind !== 'Record') return 0;
  const { event } = command;
  return event.type === 'run.started' || event.type === 'run.recovered' ? event.data.epoch : 0;
}
