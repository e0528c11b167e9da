import { isRefusal, type OwnerCommand } from '#machines/run/run.decide.js';
import { stepById } from '#machines/run/run.context.js';
import { effectsOf, type Effect } from '#machines/run/run.effects.js';
import { eventId } from '#events/envelope.js';
import { record, type EffectDeps } from '../effects/effect.js';
import { runEffect } from '../effects/run-effect.js';
import { ConflictError, LogUnavailableError, type EventLog, type WakeUp } from '../log/event-log.js';
import { createBudgets } from './budget.js';
import { createClaims, createGate } from './lease.js';
import { refreshRun } from './load-run.js';
import { createMailbox } from './mailbox.js';
import { isPoison, quarantine, StuckEffectError } from './quarantine.js';
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
  /** After how long without a heartbeat the run may have another owner. */
  readonly leaseMs: number;
  /** False only in tests that show what fencing is for. */
  readonly fencing?: boolean | undefined;
  onFault(runId: string, error: unknown): void;
  /** The actor owns the run no longer: at rest, fenced or parked. */
  onGone(runId: string): void;
}

const LOG_RETRY_MS = 500;

/** A log that does not answer is asked again in a while; any other error is the caller's. */
async function waitForLog(error: unknown): Promise<void> {
  if (!(error instanceof LogUnavailableError)) throw error;
  await new Promise((resolve) => setTimeout(resolve, LOG_RETRY_MS));
}

export function createRunActor(
  deps: ActorDeps,
  initial: RunState,
  claim: WakeUp,
  first?: OwnerCommand,
): RunActor {
  let state = initial;
  let epoch = initial.snapshot.context.epoch;
  let gone = false;
  let parked: (() => void) | undefined;
  const claims = createClaims(claim, deps.leaseMs);
  const refuseOnce = createRefusals();
  const budgets = createBudgets(() => state.snapshot.context);
  const gate = createGate(claims.lease, claimAnew);
  const mailbox = createMailbox({
    handle: ({ command, effectId }) => (command ? commit(command, effectId) : refresh()),
    onEmpty: () => reconcile(),
    onFault: (error) => fault(error),
  });
  const effects = createRunningEffects({
    perform: (effect, signal) => perform(effect, signal),
    onEnd: (effectId, command) => mailbox.post({ command, effectId, done: () => budgets.close(effectId) }),
    onFault: (error, fatal) => (fatal ? fault(error) : deps.onFault(state.runId, error)),
  });

  async function perform(effect: Effect, signal: AbortSignal): Promise<OwnerCommand | undefined> {
    const mayAct = () => (deps.fencing === false ? Promise.resolve() : gate.mayAct(signal));
    if (!claims.lease.held()) await mayAct().catch(() => undefined);
    if (signal.aborted) return undefined;
    const budget = budgets.open(effect.id);
    const { runId, snapshot } = state;
    return runEffect({ effect, runId, context: snapshot.context, signal, mayAct, budget, deps });
  }

  /** Either the log takes the claim, which fences whoever else has the run, or that one has fenced us. */
  async function claimAnew(): Promise<boolean> {
    const data = { worker: deps.workerId, epoch: state.snapshot.context.epoch + 1 };
    const command = record({ type: 'run.recovered', data });
    await new Promise<void>((done) => mailbox.post({ command, done }));
    return !gone;
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
        await (error instanceof ConflictError ? refresh() : waitForLog(error));
      }
    }
  }

  async function refresh(): Promise<void> {
    state = await refreshRun(deps.log, state);
    if (state.snapshot.context.epoch > epoch && deps.fencing !== false) leave(() => undefined);
    // The run rested and was woken again meanwhile: it belongs to whoever gets that wake-up.
    else if (claims.allBefore(state.wakeRev)) leave((held) => held.ack());
  }

  /** Has the running effects follow the state; with none running and none wanted, the run rests. */
  function reconcile(): void {
    const wanted = effectsOf(state.snapshot);
    effects.follow(parked ? wanted.filter((effect) => isUnsafeAct(state, effect)) : wanted);
    if (effects.size === 0 && mailbox.empty) leave((held) => (parked ? held.release() : held.ack()));
  }

  function fault(error: unknown): void {
    deps.onFault(state.runId, error);
    effects.abortAll();
    void giveUp(error);
  }

  async function giveUp(error: unknown): Promise<void> {
    const quarantined = isPoison(error) && (await quarantineFor(deps, state.runId, error));
    leave((held) => (quarantined ? held.ack() : undefined));
  }

  function leave(settle: (held: WakeUp) => void): void {
    if (gone) return;
    gone = true;
    effects.abortAll();
    claims.settle(settle);
    mailbox.close();
    deps.onGone(state.runId);
    parked?.();
  }

  mailbox.post({ command: first });

  return {
    runId: initial.runId,
    poke: () => mailbox.post({}),
    adopt: (another) => {
      claims.add(another);
      mailbox.post({});
    },
    heartbeat: () => {
      if (!claims.heartbeat()) void gate.renew();
    },
    park: () =>
      new Promise((resolve) => {
        if (gone) return resolve();
        parked = resolve;
        mailbox.post({});
      }),
  };
}

/** A history that cannot go on is put into quarantine; after any other fault the lease brings another try. */
async function quarantineFor(deps: ActorDeps, runId: string, error: Error): Promise<boolean> {
  try {
    await quarantine(deps.log, runId, error.message, { actor: `worker:${deps.workerId}` });
    return true;
  } catch (failed) {
    deps.onFault(runId, failed);
    return false;
  }
}

/** A late outcome is refused and forgotten; an effect that is still wanted and is refused again would go on for ever. */
function createRefusals(): (effectId: string | undefined, rev: number, message: string) => void {
  const refusedAt = new Map<string, number>();
  return (effectId, rev, message) => {
    if (effectId === undefined) return;
    if (refusedAt.get(effectId) === rev) throw new StuckEffectError(effectId, message);
    refusedAt.set(effectId, rev);
  };
}

/** An act that must not be cut off half-way: its intent is in the log, its outcome is not. */
function isUnsafeAct({ snapshot }: RunState, effect: Effect): boolean {
  return effect.kind === 'execute' && (stepById(snapshot.context, effect.stepId)?.intent ?? false);
}

function ownEpoch(command: OwnerCommand): number {
  if (command.kind !== 'Record') return 0;
  const { event } = command;
  return event.type === 'run.started' || event.type === 'run.recovered' ? event.data.epoch : 0;
}
