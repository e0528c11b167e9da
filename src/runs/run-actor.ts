import type { OwnerCommand } from '#machines/run/run.decide.js';
import { stepById } from '#machines/run/run.context.js';
import { effectsOf, isResting, statusOf, timersOf, type Effect } from '#machines/run/run.effects.js';
import type { EffectDeps } from '../effects/effect.js';
import { runEffect } from '../effects/run-effect.js';
import type { EventLog, WakeUp } from '../log/event-log.js';
import { pause } from '../effects/timer.effect.js';
import { createBudgets, type Budgets } from './budget.js';
import { createClaims, createGate, createLease, type Gate, type Lease } from './lease.js';
import { createMailbox } from './mailbox.js';
import { isPoison, quarantine, StuckEffectError } from './quarantine.js';
import { createRunningEffects, type EffectSignals } from './running-effects.js';
import type { RunState } from './run-state.js';
import { createRunWriter, type RunWriter } from './run-writer.js';

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
  /** The actor owns the run no longer. */
  onGone(runId: string, how: Gone): void;
}

/** Why an owner lets go: its run has ended, is another's by now, or rests (or is given back) and may come again. */
export type Gone = 'ended' | 'lost' | 'rests';

export function createRunActor(
  deps: ActorDeps,
  initial: RunState,
  claim: WakeUp,
  first?: OwnerCommand,
): RunActor {
  const { runId } = initial;
  const lease = createLease(deps.leaseMs);
  const writer = createRunWriter(deps.log, deps.workerId, initial, lease);
  const claims = createClaims(claim);
  let gone = false;
  let resting: Promise<void> | undefined;
  let parked: (() => void) | undefined;
  const refuseOnce = createRefusals();
  const budgets = createBudgets(() => writer.state.snapshot.context);
  const gate = createGate(lease, () => new Promise((done) => mailbox.post({ look: true, done })));
  const mailbox = createMailbox({
    handle: ({ command, effectId, look }) =>
      command ? commit(command, effectId) : follow(look ? writer.look : writer.refresh),
    onEmpty: reconcile,
    onFault: fault,
  });
  const effects = createRunningEffects({
    perform: performerOf(deps, { lease, gate, budgets, writer }),
    onEnd: (effectId, command) => mailbox.post({ command, effectId, done: () => budgets.close(effectId) }),
    onFault: (error, fatal) => (fatal ? void fault(error) : deps.onFault(runId, error)),
  });

  /** Decides and appends until the command is in the log, is refused, or this owner is fenced. */
  async function commit(command: OwnerCommand, effectId?: string): Promise<void> {
    while (!gone) {
      const result = await writer.write(command);
      if (result === 'written') return isRecovery(command) ? lease.takeOver() : undefined;
      if (result !== 'conflict') return refuseOnce(effectId, writer.state.rev, result.message);
      await follow(writer.refresh);
    }
  }

  /** Learns what others wrote, and lets go of a run that is another's by now. */
  async function follow(learn: () => Promise<void>): Promise<void> {
    await learn();
    if (writer.fenced && deps.fencing !== false) leave(() => undefined);
    // The run rested and was woken again meanwhile: it belongs to whoever gets that wake-up.
    else if (claims.allBefore(writer.state.wakeRev)) leave((held) => held.ack());
  }

  /** Has the running effects follow the state; with none running and none wanted, the run rests. */
  function reconcile(): void {
    const wanted = isResting(writer.state.snapshot) ? [] : effectsOf(writer.state.snapshot);
    effects.follow(parked ? wanted.filter((effect) => isUnsafeAct(writer.state, effect)) : wanted);
    if (parked || statusOf(writer.state.snapshot) === 'pausing') effects.suspend();
    if (effects.size > 0 || !mailbox.empty) return;
    if (parked) return leave((held) => held.release());
    resting ??= rest();
  }

  /** Lets go of the run once the log will wake it in time; what comes meanwhile is looked at first. */
  async function rest(): Promise<void> {
    try {
      await setTimers(deps.log, writer.state);
      resting = undefined;
      const { snapshot } = writer.state;
      if (!mailbox.idle || effects.size > 0 || !isResting(snapshot)) return;
      leave((held) => (isToBegin(snapshot) ? held.release() : held.ack()));
    } catch (error) {
      await fault(error);
    }
  }

  async function fault(error: unknown): Promise<void> {
    deps.onFault(runId, error);
    effects.abortAll();
    const quarantined = isPoison(error) && (await quarantineFor(deps, runId, error));
    leave((held) => (quarantined ? held.ack() : undefined));
  }

  function leave(settle: (held: WakeUp) => void): void {
    if (gone) return;
    gone = true;
    effects.abortAll();
    claims.settle(settle);
    mailbox.close();
    deps.onGone(runId, howGone(writer));
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
      claims.extend();
      // Hints get lost: an owner that does nothing for long looks all the same.
      if (lease.ageMs() > deps.leaseMs) void gate.look();
    },
    park: () =>
      new Promise((resolve) => {
        if (gone) return resolve();
        parked = resolve;
        mailbox.post({});
      }),
  };
}

interface Owned {
  readonly lease: Lease;
  readonly gate: Gate;
  readonly budgets: Budgets;
  readonly writer: RunWriter;
}

/** Carries out effects of the state as it is when they begin, for as long as the run is surely this owner's. */
const performerOf =
  (deps: ActorDeps, { lease, gate, budgets, writer }: Owned) =>
  async (effect: Effect, { signal, pausing }: EffectSignals): Promise<OwnerCommand | undefined> => {
    const fencing = deps.fencing !== false;
    const mayAct = () => (fencing ? gate.mayAct(signal) : Promise.resolve());
    if (fencing && lease.othersForMs() > 0) await pause(lease.othersForMs(), signal);
    if (!lease.held()) await mayAct().catch(() => undefined);
    if (signal.aborted) return undefined;
    const { runId, snapshot } = writer.state;
    const budget = budgets.open(effect.id);
    return runEffect({ effect, runId, context: snapshot.context, signal, pausing, mayAct, budget, deps });
  };

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

const howGone = ({ fenced, state }: RunWriter): Gone =>
  fenced ? 'lost' : state.snapshot.status === 'done' ? 'ended' : 'rests';

const isRecovery = (command: OwnerCommand): boolean =>
  command.kind === 'Record' && command.event.type === 'run.recovered';

/** Paused and resumed before its owner could begin it: at rest by its effects, but the wake-up is not done with. */
const isToBegin = (snapshot: RunState['snapshot']): boolean =>
  statusOf(snapshot) === 'queued' && effectsOf(snapshot).length === 0;

async function setTimers(log: EventLog, { runId, snapshot }: RunState): Promise<void> {
  for (const { id, dueAt } of timersOf(snapshot)) await log.setTimer({ runId, name: id, dueAt });
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
