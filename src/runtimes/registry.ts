import type { PlanStep } from '#events/plan.js';
import { fail } from '../failures/failures.js';
import type { Driver } from './driver.js';

export interface DriverRegistry {
  driverFor(step: Pick<PlanStep, 'do'>): Driver;
  /** Names of the built-in workspace tools, and of the MCP servers. */
  readonly tools: readonly string[];
  readonly servers: readonly string[];
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
    driverFor: (step) => {
      const driver = drivers.find((candidate) => candidate.handles.includes(step.do));
      if (!driver) throw fail('bad-arguments', `no driver does ${step.do}`);
      return driver;
    },
    close: async () => {
      await Promise.all(drivers.map((driver) => driver.close?.()));
    },
  };
}
