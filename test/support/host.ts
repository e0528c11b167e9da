import { afterEach } from '@jest/globals';
import { missionRequestSchema } from '#events/mission.js';
import type { PersonCommand } from '#events/run.commands.js';
import type { Json } from '#events/shapes.js';
import { isRefusal } from '#machines/run/run.decide.js';
import { statusOf } from '#machines/run/run.effects.js';
import { join } from 'node:path';
import { runFiles } from '../../src/agentfs/agentfs.js';
import type { EventLog, StoredEvent } from '../../src/log/event-log.js';
import { createMemoryLog } from '../../src/log/memory.log.js';
import { loadTemplates } from '../../src/mission/templates.js';
import { handleCommand } from '../../src/runs/handle-command.js';
import { loadRun } from '../../src/runs/load-run.js';
import { readStored, type RunState } from '../../src/runs/run-state.js';
import { submitMission } from '../../src/runs/submit-mission.js';
import { startWorker, type Worker, type WorkerDeps } from '../../src/runs/worker.js';
import type { Driver, Reconciliation, StepResult, StepTask } from '../../src/runtimes/driver.js';
import { createDriverRegistry } from '../../src/runtimes/registry.js';
import { packageRoot } from '../../src/setup/package-root.js';
import { removeFolder, tempFolder } from './temp.js';
import { until } from './wait.js';

/** What a step does here, by step id; a child of `forEach` is asked for by its own id, then by its parent's. */
export type Acts = Record<string, (task: StepTask) => Promise<StepResult> | StepResult>;

export const gives = (output: Json, content = false): StepResult => ({ output, content });

/** A workspace driver that does what a test says, and notes what it was asked. */
export interface FakeDriver extends Driver {
  readonly asked: StepTask[];
  readonly acts: Acts;
  /** How many times a step was carried out. */
  times(stepId: string): number;
}

export function fakeDriver(
  acts: Acts = {},
  reconcile?: (task: StepTask) => Promise<Reconciliation>,
): FakeDriver {
  const asked: StepTask[] = [];
  return {
    name: 'fake',
    runtime: 'workspace',
    handles: ['workspace.call'],
    asked,
    acts,
    times: (stepId) => asked.filter((task) => task.stepId === stepId).length,
    execute: async (task) => {
      asked.push(task);
      const act = acts[task.stepId] ?? acts[task.stepId.split('.')[0]!];
      return act ? act(task) : gives({ did: task.stepId });
    },
    ...(reconcile && { reconcile }),
  };
}

/** Ends only when it is aborted, and says so as drivers do: by throwing. */
export const untilAborted = (task: StepTask): Promise<never> =>
  new Promise((_, reject) => {
    const stop = () => reject(new Error('aborted'));
    if (task.signal.aborted) stop();
    else task.signal.addEventListener('abort', stop);
  });

/** A step of the fake driver. */
export const step = (id: string, more: object = {}): object => ({
  id,
  title: `step ${id}`,
  do: 'workspace.call',
  with: { tool: 'noop', args: {} },
  ...more,
});
/** A step that commits its intent before it acts. */
export const unsafe = (id: string, more: object = {}): object => step(id, { safeToRepeat: false, ...more });

/** Workers and their runs over one log. */
export interface Host {
  readonly log: EventLog;
  readonly faults: unknown[];
  readonly root: string;
  work(driver: FakeDriver, deps?: Partial<WorkerDeps>): Promise<Worker>;
  /** Hands in a mission; with a key its run has an id of its own for good. */
  submit(steps: object[], mission?: object, key?: string): Promise<string>;
  /** Gives a command that must be legal. */
  tell(runId: string, command: PersonCommand): Promise<void>;
  state(runId: string): Promise<RunState>;
  history(runId: string): Promise<StoredEvent[]>;
  /** Types of a run's events, each with the step it is about: `step.succeeded a`. */
  told(runId: string): Promise<string[]>;
  ends(runId: string, status: string): Promise<RunState>;
  /** Resolves once a run's history tells this. */
  tells(runId: string, what: string): Promise<void>;
}

const open: (() => Promise<void>)[] = [];

/** Stops what a test has started. To be called at the top of a file. */
export const stopHostsAfterEach = (): void =>
  afterEach(async () => {
    for (const stop of open.splice(0).reverse()) await stop();
  });

export async function createHost(log: EventLog = createMemoryLog()): Promise<Host> {
  const root = await tempFolder();
  open.push(() => removeFolder(root));
  const faults: unknown[] = [];
  const state = (runId: string) => loadRun(log, runId);
  const told = async (runId: string) => (await log.read(runId)).map(tellOf);
  return {
    log,
    root,
    faults,
    state,
    told,
    history: (runId) => log.read(runId),
    work: async (driver, deps = {}) => {
      const worker = await startWorker({ ...workerDeps(driver, log, root, faults), ...deps });
      open.push(() => worker.stop());
      return worker;
    },
    submit: async (steps, mission = {}, idempotencyKey?: string) =>
      (await submitMission(log, missionOf(steps, mission), { ...SUBMITTER, idempotencyKey })).runId,
    tell: async (runId, command) => {
      const answer = await handleCommand(log, runId, command, {
        actor: 'operator:test',
        causationid: 'req_2',
      });
      if (isRefusal(answer)) throw new Error(answer.message);
    },
    ends: (runId, status) =>
      until(`run ${runId} is ${status}`, async () => {
        const reached = await state(runId);
        const now = statusOf(reached.snapshot);
        if (now !== status && ENDS.has(now))
          throw new Error(`run ${runId} is ${now}: ${JSON.stringify(reached.snapshot.context.failure)}`);
        return now === status && reached;
      }),
    tells: async (runId, what) => {
      await until(`${what} of ${runId}`, async () => (await told(runId)).includes(what));
    },
  };
}

const ENDS: ReadonlySet<string> = new Set(['succeeded', 'failed', 'cancelled']);
const SUBMITTER = { actor: 'operator:test', causationid: 'req_1', dryRun: false };

const missionOf = (steps: object[], mission: object) =>
  missionRequestSchema.parse(
    'plan' in mission || 'template' in mission ? mission : { plan: { steps }, ...mission },
  );

const workerDeps = (driver: Driver, log: EventLog, root: string, faults: unknown[]): WorkerDeps => ({
  log,
  drivers: createDriverRegistry([driver], ['noop']),
  templates: loadTemplates(join(packageRoot, 'templates')),
  stepTimeoutMs: 10_000,
  maxRuns: 16,
  leaseMs: 1_000,
  files: (runId) => runFiles(root, runId),
  trace: () => undefined,
  onFault: (_runId, error) => faults.push(error),
});

function tellOf(stored: StoredEvent): string {
  const { event } = readStored(stored);
  return 'stepId' in event.data ? `${event.type} ${event.data.stepId}` : event.type;
}
