import { freeze } from '#machines/kernel/kernel.js';
import { runMachineOf } from '#machines/registry.js';
import type { RunEvent } from '#events/catalog.js';
import type { RunState } from '../runs/run-state.js';

/** Version of the wire protocol of `@statelyai/inspect` that these messages are complete in. */
const PROTOCOL_VERSION = '0.7.2';

export interface InspectorMessage {
  readonly type: '@xstate.actor' | '@xstate.event' | '@xstate.snapshot';
  readonly _version: string;
  /** Milliseconds since the epoch, as a string. */
  readonly createdAt: string;
  readonly id: string | null;
  readonly rootId: string;
  readonly sessionId: string;
  readonly [field: string]: unknown;
}

/**
 * The messages of one event of a run. The library's own `inspector.actor()` loses definition and root for string ids and
 * stamps the time of sending, so the messages are built here, with the time the event has in the log.
 */
export function messagesOf(state: RunState, event: RunEvent): InspectorMessage[] {
  const frame = (type: InspectorMessage['type']) => ({
    type,
    _version: PROTOCOL_VERSION,
    createdAt: String(Date.parse(event.time)),
    id: null,
    rootId: state.runId,
    sessionId: state.runId,
  });
  const machine = runMachineOf(state.machine);
  const snapshot = {
    children: {},
    historyValue: {},
    tags: [],
    ...(freeze(machine, state.snapshot) as object),
  };
  if (event.type === 'run.created') {
    const definition = JSON.stringify(machine.config);
    return [{ ...frame('@xstate.actor'), name: state.runId, definition, snapshot }];
  }
  return [
    { ...frame('@xstate.event'), event },
    { ...frame('@xstate.snapshot'), event, snapshot },
  ];
}
