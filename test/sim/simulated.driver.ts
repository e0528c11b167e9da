import { StepFailedError, failure } from '../../src/failures/failures.js';
import type { Driver, Reconciliation, StepTask } from '../../src/runtimes/driver.js';
import type { Random } from './random.js';
import type { Faults } from './scenario.js';
import type { SimProcess } from './virtual-time.js';
import type { Witness } from './witness.js';

export interface DriverWorld {
  readonly random: Random;
  readonly witness: Witness;
  faults(): Faults;
  note(process: SimProcess, what: string): void;
}

interface Args {
  readonly unsafe: boolean;
  readonly acts: number;
  readonly slowMs: number;
}

const argsOf = (task: StepTask): Args => (task.step.with as unknown as { args: Args }).args;

/** A driver whose acts a witness counts: it takes its time, fails, hangs, and looks at its signal when it likes. */
export function createSimulatedDriver(world: DriverWorld, process: SimProcess): Driver {
  const { random, witness } = world;
  const see = (what: 'began' | 'acted', task: StepTask): void => {
    const { runId, stepId, idempotencyKey: key } = task;
    world.note(process, `${what} ${runId.slice(4, 8)}/${stepId}:${task.attempt}`);
    witness.see({ what, key, runId, stepId, unsafe: argsOf(task).unsafe, process });
  };

  async function execute(task: StepTask) {
    const { acts, slowMs } = argsOf(task);
    const faults = world.faults();
    const signal = random.chance(faults.sluggish) ? undefined : task.signal;
    const failsAt = random.chance(faults.failing) ? random.int(0, acts) : -1;
    const hangs = random.chance(faults.hanging);
    see('began', task);
    if (hangs) await pause(Infinity, task.signal);
    for (let act = 0; act < acts; act++) {
      await pause(random.latency(1, slowMs), signal);
      if (act === failsAt)
        throw new StepFailedError(failure('page-unreachable', 'it failed before it acted'));
      // What follows in the same turn is what a driver does once it may: no freeze and no crash comes between.
      await task.mayAct();
      see('acted', task);
    }
    await pause(random.latency(1, slowMs), signal);
    if (failsAt === acts) throw new StepFailedError(failure('page-unreachable', 'it failed after it acted'));
    return { output: { ok: random.chance(0.8), attempt: task.attempt }, content: false };
  }

  /** It tells the truth, or that it cannot tell. */
  async function reconcile(task: StepTask): Promise<Reconciliation> {
    await pause(random.latency(1, argsOf(task).slowMs), task.signal);
    if (random.chance(world.faults().blind)) {
      if (random.chance(0.5)) throw new Error('it cannot look');
      return { outcome: 'unknown' };
    }
    return witness.acts(task.idempotencyKey) > 0
      ? { outcome: 'confirmed', result: { output: { ok: true, found: true }, content: false } }
      : { outcome: 'refuted' };
  }

  return { name: 'simulated', runtime: 'workspace', handles: ['workspace.call'], execute, reconcile };
}

/** Waits, and throws as drivers do when it is aborted. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(new Error('aborted'));
    if (signal?.aborted) return stop();
    signal?.addEventListener('abort', stop, { once: true });
    if (ms !== Infinity) setTimeout(resolve, ms);
  });
}
