import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Envelope } from '#events/envelope.js';
import type { OwnerCommand } from '#machines/run/run.decide.js';
import { effectsOf, isResting, statusOf } from '#machines/run/run.effects.js';
import type { EffectDeps } from '../effects/effect.js';
import type { EventLog, Subscription, WakeUp } from '../log/event-log.js';
import type { RunEnd } from '../runtimes/driver.js';
import { fireTimers } from './fire-timers.js';
import { takeFresh } from './fresh-runs.js';
import { loadRun } from './load-run.js';
import { createRunActor, type Gone, type RunActor } from './run-actor.js';
import { isPoison, killsItsOwners, quarantine, StuckEffectError } from './quarantine.js';
import { foldFresh, foldStored, RunQuarantinedError, type RunState } from './run-state.js';

export interface WorkerDeps extends EffectDeps {
  readonly log: EventLog;
  /** Runs owned at a time. */
  readonly maxRuns: number;
  /** After how long without a heartbeat the queue gives a run to another worker. */
  readonly leaseMs: number;
  /** False only in tests that show what fencing is for. */
  readonly fencing?: boolean | undefined;
  onFault(runId: string, error: unknown): void;
}

export interface Worker {
  readonly id: string;
  readonly owned: number;
  /** Takes no more runs, parks those it has, and gives them back to the queue. */
  stop(): Promise<void>;
}

/** Owns runs: takes wake-ups off the queue and keeps one actor for each run until it rests. */
export async function startWorker(deps: WorkerDeps): Promise<Worker> {
  const id = `${hostname().replace(/[^A-Za-z0-9-]/g, '-')}-${process.pid}-${randomBytes(3).toString('hex')}`;
  const actors = new Map<string, RunActor>();
  const slots = createSlots(deps.maxRuns);
  const takes = new Set<Promise<void>>();
  let stopping = false;

  const actorDeps = {
    ...deps,
    workerId: id,
    onGone: (runId: string, how: Gone) => {
      if (actors.delete(runId)) slots.free();
      if (how !== 'rests') letGo(runId, how);
    },
  };

  /** What drivers hold for a run outlives its rests, and not the run. */
  function letGo(runId: string, how: RunEnd): void {
    deps.drivers.endRun(runId, how).catch((error: unknown) => deps.onFault(runId, error));
  }

  /** A run at rest that somebody else ended. */
  async function noticeEnd(runId: string): Promise<void> {
    if (actors.has(runId)) return;
    if ((await loadRun(deps.log, runId)).snapshot.status === 'done') letGo(runId, 'ended');
  }

  async function onWakeUp(wakeUp: WakeUp): Promise<void> {
    if (stopping) return wakeUp.release();
    const { subject: runId, rev } = wakeUp.event.body as Envelope;
    const owner = actors.get(runId);
    if (owner) return owner.adopt(wakeUp);
    await slots.take();
    const taking = take(wakeUp, runId, rev)
      .catch(async (error: unknown) => {
        slots.free();
        deps.onFault(runId, error);
        await settleFault(deps.log, wakeUp, runId, error, id);
      })
      .catch((error: unknown) => deps.onFault(runId, error))
      .finally(() => takes.delete(taking));
    takes.add(taking);
  }

  async function take(wakeUp: WakeUp, runId: string, rev: number): Promise<void> {
    const state = await stateAt(deps.log, wakeUp, runId, rev);
    const owner = actors.get(runId);
    if (!stopping && !owner && needsOwner(state, rev)) {
      // While the run rested here, another worker had it: what is held for it here is out of date.
      if (state.lastWorker !== undefined && state.lastWorker !== `worker:${id}`)
        await deps.drivers.endRun(runId, 'lost');
      actors.set(runId, createRunActor(actorDeps, state, wakeUp, claimOf(state, wakeUp, id)));
      return;
    }
    slots.free();
    if (stopping || state.rev < rev) wakeUp.release();
    else if (owner) owner.adopt(wakeUp);
    else wakeUp.ack();
  }

  const queues = await Promise.all(
    Array.from({ length: deps.log.partitions }, (_, partition) => deps.log.claimWakeUps(partition, onWakeUp)),
  );
  const timers = await fireTimers(deps.log, (runId, error) => deps.onFault(runId, error));
  const control = await deps.log.watchControl((runId) => {
    actors.get(runId)?.poke();
    noticeEnd(runId).catch((error: unknown) => deps.onFault(runId, error));
  });
  const heartbeat = setInterval(() => {
    for (const actor of actors.values()) actor.heartbeat();
  }, deps.leaseMs / 4);

  return {
    id,
    get owned() {
      return actors.size;
    },
    stop: async () => {
      stopping = true;
      // At once: a queue that waits for a free slot ends only when a parked run frees one.
      const closing = [...queues, timers, control].map((subscription: Subscription) => subscription.stop());
      const parking = [...actors.values()].map((actor) => actor.park());
      // A driver that does not stop is not waited for without end: its run's lease runs out after this process.
      await Promise.race([
        Promise.all([...closing, ...parking, ...takes]),
        sleep(STOP_GRACE_MS, undefined, { ref: false }),
      ]);
      clearInterval(heartbeat);
    },
  };
}

const STOP_GRACE_MS = 15_000;

/** What is to be done with the wake-up of a run that cannot be loaded. */
async function settleFault(
  log: EventLog,
  wakeUp: WakeUp,
  runId: string,
  error: unknown,
  worker: string,
): Promise<void> {
  if (isPoison(error)) await quarantine(log, runId, error.message, { actor: `worker:${worker}` });
  // After any other fault the wake-up comes again when its lease runs out.
  if (isPoison(error) || error instanceof RunQuarantinedError) wakeUp.ack();
}

/** A new run needs no reading: its first event is the wake-up itself. */
async function stateAt(
  log: EventLog,
  { event, deliveries }: WakeUp,
  runId: string,
  rev: number,
): Promise<RunState> {
  if (deliveries > FEW_DELIVERIES && killsItsOwners(await log.read(runId)))
    throw new StuckEffectError('the run', 'its owner died each time before the run had moved');
  if (rev > 1 || deliveries > 1) return loadRun(log, runId);
  const fresh = takeFresh((event.body as Envelope).hash);
  return fresh ? foldFresh(fresh, event) : foldStored(undefined, event);
}
const FEW_DELIVERIES = 5;

/**
 * Only the wake-up that last ended a rest makes an owner: one that came while the run had an owner is for that owner, and
 * one before the last rest is settled. A run that has ended, or waits for a person alone, needs none; one that waits for
 * a point in time needs somebody to set its timer.
 */
function needsOwner(state: RunState, rev: number): boolean {
  if (rev !== state.wakeRev) return false;
  return statusOf(state.snapshot) === 'queued' || effectsOf(state.snapshot).length > 0;
}

/** What the new owner writes first: that the run begins, or that an earlier owner died and is fenced by this. */
function claimOf(state: RunState, wakeUp: WakeUp, worker: string): OwnerCommand | undefined {
  const epoch = state.snapshot.context.epoch + 1;
  const waits = effectsOf(state.snapshot).length > 0;
  if (statusOf(state.snapshot) === 'queued' && !waits)
    return { kind: 'Record', event: { type: 'run.started', data: { worker, epoch } } };
  // It waits for a point in time, as a scheduled run does: all there is to do is to set its timer.
  if (isResting(state.snapshot)) return undefined;
  // A first delivery may have lain here for longer than the lease, and another worker has the second.
  if (wakeUp.deliveries === 1 && state.rev === state.wakeRev) return undefined;
  return { kind: 'Record', event: { type: 'run.recovered', data: { worker, epoch } } };
}

function createSlots(size: number): { take(): Promise<void>; free(): void } {
  let free = size;
  const waiting: (() => void)[] = [];
  return {
    take: () => {
      if (free > 0) {
        free--;
        return Promise.resolve();
      }
      return new Promise((resolve) => waiting.push(resolve));
    },
    free: () => {
      const next = waiting.shift();
      if (next) next();
      else free++;
    },
  };
}
