import { createDriverRegistry } from '../../src/runtimes/registry.js';
import type { Driver } from '../../src/runtimes/driver.js';
import { startWorker, type Worker, type WorkerDeps } from '../../src/runs/worker.js';
import type { RunFiles } from '../../src/agentfs/agentfs.js';
import { simulatedFiles } from './simulated.files.js';
import { createSimulatedDriver } from './simulated.driver.js';
import type { SimulatedLog } from './simulated.log.js';
import { LEASE_MS, STEP_TIMEOUT_MS } from './scenario.js';
import type { SimWorld } from './simulation.js';
import { createProcess, type SimProcess } from './virtual-time.js';
import type { Witness } from './witness.js';

interface WorkerProcess {
  readonly process: SimProcess;
  worker?: Worker;
}

/** The worker processes, and what happens to them. */
export interface Fleet {
  /** Who each process is in the log. */
  readonly workerIds: ReadonlyMap<SimProcess, string>;
  begin(): void;
  powerCut(): void;
  /** Thaws whoever is frozen, and sees to it that somebody works. */
  calmDown(): void;
}

export function createFleet(world: SimWorld, log: SimulatedLog, witness: Witness): Fleet {
  const { time, random, scenario } = world;
  const { faults } = scenario;
  const all: WorkerProcess[] = [];
  const workerIds = new Map<SimProcess, string>();
  const files = createFolders();
  const living = (): WorkerProcess[] => all.filter(({ process }) => process.alive);

  function start(): void {
    const entry: WorkerProcess = { process: createProcess(`w${all.length + 1}`) };
    all.push(entry);
    world.count('workers started');
    time.after(0, entry.process, () => void begin(entry));
  }

  async function begin(entry: WorkerProcess): Promise<void> {
    const { process } = entry;
    const driver = createSimulatedDriver({ ...world, witness }, process);
    const worker = await startWorker(workerDeps(world, process, driver, log, files));
    entry.worker = worker;
    workerIds.set(process, `worker:${worker.id}`);
    world.note(process, `is ${worker.id}`);
  }

  const { crash, freeze, thaw, stop } = createFates(world, start);

  return {
    workerIds,
    begin: () => {
      for (let worker = 0; worker < scenario.workers; worker++)
        time.after(random.int(0, 500), undefined, start);
      const often = oftenTo(world, () => all.filter(({ process }) => process.alive));
      often(faults.crashes, 'crashes', crash);
      often(faults.freezes, 'freezes', freeze);
      often(faults.stops, 'stops', stop);
      often(faults.outages, 'outages', () => log.network.outage(time.now() + random.int(100, 3_000)));
      often(
        faults.wrongHints,
        'wrong hints',
        () => log.events.length > 0 && log.hint(log.events.at(-1)!.runId),
      );
    },
    powerCut: () => {
      world.note(undefined, 'the power is cut');
      for (const entry of living()) crash(entry);
    },
    calmDown: () => {
      for (const { process } of living()) thaw(process);
      start();
    },
  };
}

/** What can happen to a process. */
function createFates({ time, random, note }: SimWorld, startAnother: () => void) {
  function crash({ process }: WorkerProcess): void {
    process.alive = false;
    note(process, 'crashes');
    time.after(random.int(0, 2_000), undefined, startAnother);
  }

  function freeze({ process }: WorkerProcess): void {
    if (process.frozenAt !== undefined) return;
    const ms = random.int(50, 4 * LEASE_MS);
    process.frozenAt = time.now();
    note(process, `freezes for ${ms} ms`);
    time.after(ms, undefined, () => thaw(process));
  }

  function thaw(process: SimProcess): void {
    if (!process.alive || process.frozenAt === undefined) return;
    note(process, 'thaws');
    time.thaw(process);
  }

  /** A process that is told to stop, and ends when it has, or when its supervisor has waited long enough. */
  function stop(entry: WorkerProcess): void {
    const { process, worker } = entry;
    if (!worker) return;
    note(process, 'is told to stop');
    const end = (): void => {
      if (process.alive) crash(entry);
    };
    time.after(0, process, () => void worker.stop().then(() => time.after(0, undefined, end)));
    time.after(15_000, undefined, end);
  }

  return { crash, freeze, thaw, stop };
}

const workerDeps = (
  world: SimWorld,
  process: SimProcess,
  driver: Driver,
  log: SimulatedLog,
  files: WorkerDeps['files'],
): WorkerDeps => ({
  log: log.connect(process),
  drivers: createDriverRegistry([driver], ['noop']),
  templates: { get: refuse, list: () => [] },
  stepTimeoutMs: STEP_TIMEOUT_MS,
  maxRuns: world.scenario.maxRuns,
  leaseMs: LEASE_MS,
  fencing: world.broken !== 'no-fencing',
  files,
  trace: () => undefined,
  onFault: (runId, error) =>
    world.note(process, `fault of ${runId.slice(4, 8)}: ${(error as Error).message}`),
});

/** Something happens to one of the processes, a number of times, at any moment. */
const oftenTo =
  ({ time, random, scenario, count }: SimWorld, victims: () => WorkerProcess[]) =>
  (times: number, fault: string, befall: (victim: WorkerProcess) => unknown): void => {
    for (let occasion = 0; occasion < times; occasion++) {
      time.after(random.next() * scenario.faultsUntilMs, undefined, () => {
        const living = victims();
        if (living.length === 0) return;
        count(fault);
        befall(random.pick(living));
      });
    }
  };

const refuse = (): never => {
  throw new Error('no templates here');
};

function createFolders(): (runId: string) => RunFiles {
  const folders = new Map<string, RunFiles>();
  return (runId) => {
    const files = folders.get(runId) ?? simulatedFiles();
    folders.set(runId, files);
    return files;
  };
}
