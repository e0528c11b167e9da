import { runMachine, type RunMachine } from './run/run.machine.js';

/** Machine id@version → machine. An old version stays for as long as a run is pinned to it. */
const machines: ReadonlyMap<string, RunMachine> = new Map([['run@1', runMachine]]);

/** What new runs are pinned to. */
export const CURRENT_RUN_MACHINE = 'run@1';

export function runMachineOf(pinned: string): RunMachine {
  const machine = machines.get(pinned);
  if (!machine)
    throw new RangeError(
      `this version of SkyAgentOS has no machine ${pinned}; it knows ${[...machines.keys()].join(', ')}`,
    );
  return machine;
}
