import { driverOfAttempt } from '#machines/step/attempts.js';
import type { PlanStep } from '#events/plan.js';
import { fail } from '../failures/failures.js';
import type { Driver, RunEnd, StepTask } from './driver.js';
import type { LiveFrame, LiveInput, LiveView, PersonStep } from './live-view.js';

export interface DriverRegistry {
  /** The driver of an attempt: the one that the step names for it, else the first that does such steps. */
  driverFor(step: PlanStep, attempt?: number): Driver;
  /** Lets go of what is held for a run. */
  endRun(runId: string, how: RunEnd): Promise<void>;
  holds(runId: string): boolean;
  /** Pages elsewhere where a person can look at a run, by the driver's name. */
  elsewhere(runId: string): Readonly<Record<string, string>>;
  watch(runId: string, show: (frame: LiveFrame) => void): LiveView;
  present(run: Pick<StepTask, 'runId' | 'mission' | 'signal'>): Promise<void>;
  personStep(runId: string, input: LiveInput): PersonStep;
  /** Names of the built-in workspace tools, and of the MCP servers. */
  readonly tools: readonly string[];
  readonly servers: readonly string[];
  readonly driverNames: readonly string[];
  close(): Promise<void>;
}

export function createDriverRegistry(
  drivers: readonly Driver[],
  tools: readonly string[],
  servers: readonly string[] = [],
): DriverRegistry {
  return {
    tools,
    servers,
    driverNames: drivers.map(({ name }) => name),
    driverFor: (step, attempt = 1) => {
      const able = drivers.filter((candidate) => candidate.handles.includes(step.do));
      const name = driverOfAttempt(step, attempt);
      const driver =
        name === undefined
          ? (able.find((candidate) => candidate.prefers?.includes(step.do)) ?? able[0])
          : able.find((candidate) => candidate.name === name);
      if (driver) return driver;
      if (name === undefined) throw fail('bad-arguments', `no driver does ${step.do}`);
      throw fail('no-driver', `there is no driver ${name} for ${step.do} here`);
    },
    endRun: async (runId, how) => {
      await Promise.all(drivers.map((driver) => driver.endRun?.(runId, how)));
    },
    elsewhere: (runId) =>
      Object.fromEntries(
        drivers.flatMap((driver) => {
          const url = driver.elsewhere?.(runId);
          return url === undefined ? [] : [[driver.name, url]];
        }),
      ),
    watch: (runId, show) => {
      const views = drivers.flatMap((driver) => driver.watch?.(runId, show) ?? []);
      return { close: async () => void (await Promise.all(views.map((view) => view.close()))) };
    },
    present: async (run) => {
      await Promise.all(drivers.map((driver) => driver.present?.(run)));
    },
    personStep: (runId, input) => {
      const able = drivers.filter((driver) => driver.personStep);
      const driver = able.find((each) => each.heldRuns?.().includes(runId)) ?? able[0];
      if (!driver?.personStep) throw fail('no-driver', 'there is no screen here');
      return driver.personStep(input);
    },
    holds: (runId) => drivers.some((driver) => driver.heldRuns?.().includes(runId)),
    close: async () => {
      await Promise.all(drivers.map((driver) => driver.close?.()));
    },
  };
}
