/** The only place that spells a NATS subject. */
const ROOT = 'skyagent.runs';
const TOKEN = /^[A-Za-z0-9_-]+$/;

export const streamName = (partition: number): string => `SKYAGENT_RUNS_${partition}`;
export const STREAM_PREFIX = 'SKYAGENT_RUNS_';

/** Durable timers: set under one subject, and published by the server itself under the other when they are due. */
export const TIMERS_STREAM = 'SKYAGENT_TIMERS';
export const TIMERS_SET = 'skyagent.timers.set.>';
export const TIMERS_DUE = 'skyagent.timers.due.>';
export const timerSubject = (runId: string, name: string): string =>
  `skyagent.timers.set.${token(runId)}.${timerToken(name)}`;
export const dueSubject = (runId: string, name: string): string =>
  `skyagent.timers.due.${token(runId)}.${timerToken(name)}`;
/** The name of a timer as one token of a subject. */
const timerToken = (name: string): string => encodeURIComponent(name).replaceAll('.', '%2E');

/** Every action of every step, for a time. */
export const TRACES_STREAM = 'SKYAGENT_TRACES';
export const TRACES = 'skyagent.traces.>';
/** Where the actions of a step are told, e.g. `skyagent.traces.run_01J….open`; without a step, those of all its steps. */
export const traceSubject = (runId: string, stepId?: string): string =>
  `skyagent.traces.${token(runId)}.${stepId === undefined ? '>' : stepId.replaceAll('.', '_')}`;

/** What a desktop is asked over NATS, and by which subject, e.g. `skyagent.desktop.front-desk.act`. */
export const DESKTOP_ENDPOINTS = ['act', 'cancel', 'control', 'info'] as const;
export type DesktopEndpoint = (typeof DESKTOP_ENDPOINTS)[number];
export const desktopSubject = (name: string, endpoint: DesktopEndpoint): string =>
  `skyagent.desktop.${token(name)}.${endpoint}`;
/** Where a desktop tells that its controls changed hands. */
export const desktopEventsSubject = (name: string): string => `skyagent.desktop.${token(name)}.events`;
export const DESKTOP_EVENTS = 'skyagent.desktop.*.events';

/** Everything a partition holds. */
export const partitionSubject = (partition: number): string => `${ROOT}.${partition}.>`;
/** Everything one run wrote, e.g. `skyagent.runs.3.run_01J….>`. */
export const runSubject = (partition: number, runId: string): string =>
  `${ROOT}.${partition}.${token(runId)}.>`;
/** Where one event goes, e.g. `skyagent.runs.3.run_01J….step.succeeded`. */
export const eventSubject = (partition: number, runId: string, type: string): string =>
  `${ROOT}.${partition}.${token(runId)}.${type}`;
/** One event type of every run of a partition, or of all partitions. */
export const typeSubject = (type: string, partition: number | '*' = '*'): string =>
  `${ROOT}.${partition}.*.${type}`;

/** Event types after which a resting run needs an owner: the persistent queue is a consumer over these. */
export const WAKE_UP_TYPES = [
  'run.created',
  'run.resumed',
  'plan.approved',
  'plan.rejected',
  'step.approved',
  'step.rejected',
  'step.skipped',
  'step.reconciled',
  'control.released',
  'timer.fired',
  'budget.raised',
] as const;
/** Event types that other processes write into a run that has an owner. */
export const CONTROL_TYPES = [
  'run.recovered',
  'run.pause-requested',
  'run.cancel-requested',
  'run.cancelled',
  'step.approved',
  'step.rejected',
  'step.skipped',
  'step.reconciled',
  'budget.raised',
] as const;

/** FNV-1a over the run id: which partition a run lives in, for good. */
export function partitionOf(runId: string, partitions: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < runId.length; index++) {
    hash = Math.imul(hash ^ runId.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0) % partitions;
}

/** Whether a text can be the id of a run at all. */
export const isRunId = (text: string): boolean => TOKEN.test(text);

function token(runId: string): string {
  if (!isRunId(runId)) throw new RangeError(`not a run id: ${JSON.stringify(runId)}`);
  return runId;
}
