import type { CommandName } from '#events/run.commands.js';
import type { RunStatus } from './run.machine.js';

const COMMANDS: Readonly<Record<RunStatus, readonly CommandName[]>> = {
  queued: ['pause', 'cancel'],
  planning: ['pause', 'cancel'],
  'awaiting-approval': ['pause', 'cancel', 'approve', 'reject'],
  executing: ['pause', 'cancel'],
  validating: ['pause', 'cancel'],
  pausing: ['cancel'],
  paused: ['resume', 'cancel'],
  cancelling: [],
  succeeded: [],
  failed: [],
  cancelled: [],
};

/**
 * The commands a person may give, by what the read model knows: the status, and whether a step waits for approval. The
 * same answer as `legalCommands` gives of a snapshot, which a test holds it to.
 */
export function commandsIn(status: string, stepAwaitsApproval: boolean): CommandName[] {
  const commands = COMMANDS[status as RunStatus] ?? [];
  return status === 'executing' && stepAwaitsApproval ? [...commands, 'approve', 'reject'] : [...commands];
}

const RESTING: ReadonlySet<string> = new Set([
  'paused',
  'awaiting-approval',
  'succeeded',
  'failed',
  'cancelled',
  'quarantined',
]);

/** Whether a run of this status asks nothing of the world: it has ended, or waits for a person. */
export const isRestingStatus = (status: string): boolean => RESTING.has(status);
