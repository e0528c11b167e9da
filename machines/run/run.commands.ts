import type { CommandName } from '#events/run.commands.js';
import type { RunStatus } from './run.machine.js';

/** The order in which commands are told. */
const ORDER: readonly CommandName[] = [
  'pause',
  'resume',
  'cancel',
  'approve',
  'reject',
  'settle',
  'skip',
  'budget',
  'takeover',
  'handback',
  'retry',
  'fork',
];
export const inOrder = (commands: Iterable<CommandName>): CommandName[] => {
  const found = new Set(commands);
  return ORDER.filter((name) => found.has(name));
};

const WORKING = ['pause', 'cancel', 'budget', 'takeover', 'fork'] as const;
const COMMANDS: Readonly<Record<RunStatus, readonly CommandName[]>> = {
  queued: ['pause', 'cancel', 'fork'],
  planning: WORKING,
  'awaiting-approval': ['pause', 'cancel', 'approve', 'reject', 'budget', 'takeover', 'fork'],
  executing: WORKING,
  validating: WORKING,
  pausing: ['cancel', 'fork'],
  paused: ['resume', 'cancel', 'budget', 'takeover', 'handback', 'fork'],
  cancelling: ['fork'],
  succeeded: ['retry', 'fork'],
  failed: ['retry', 'fork'],
  cancelled: ['retry', 'fork'],
};

/** States of a step that a person may skip: nothing of it is in the world; and, in a paused run, nothing can be. */
export const SKIPPABLE: ReadonlySet<string> = new Set([
  'waiting',
  'awaitingApproval',
  'backoff',
  'reconciling',
  'inQuestion',
]);
export const SKIPPABLE_AT_REST: ReadonlySet<string> = new Set([...SKIPPABLE, 'running', 'inDoubt']);

/** What a read model knows of a run that decides which commands are legal. */
export interface RunFactsForCommands {
  readonly status: string;
  /** A limit stopped the run and was not raised. */
  readonly exhausted: boolean;
  /** A person holds the controls. */
  readonly held: boolean;
  /** The states of its steps; none before it has started. */
  readonly steps: readonly string[];
}

/**
 * The commands a person may give, by what the read model knows. The same answer as `legalCommands` gives of a snapshot,
 * which a test holds it to.
 */
export function commandsIn({ status, exhausted, held, steps }: RunFactsForCommands): CommandName[] {
  const barred: Partial<Record<CommandName, boolean>> = {
    resume: exhausted || held,
    takeover: held,
    handback: exhausted || !held,
  };
  const commands = (COMMANDS[status as RunStatus] ?? []).filter((name) => !barred[name]);
  const asked = status === 'executing' && steps.includes('awaitingApproval');
  const doubted = status !== 'paused' && steps.includes('inQuestion');
  const skippable = SKIPS[status];
  const skip = skippable && steps.some((state) => skippable.has(state));
  return inOrder([
    ...commands,
    ...(asked ? (['approve', 'reject'] as const) : []),
    ...(doubted ? (['settle'] as const) : []),
    ...(skip ? (['skip'] as const) : []),
  ]);
}
const SKIPS: Readonly<Record<string, ReadonlySet<string>>> = {
  executing: SKIPPABLE,
  'awaiting-approval': SKIPPABLE,
  paused: SKIPPABLE_AT_REST,
};

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
