import type { ControlCommand } from '#events/run.commands.js';
import { stepSchema, type PlanStep } from '#events/plan.js';
import type { Trace } from '#events/trace.js';
import type { Json } from '#events/shapes.js';
import { controlAt, type ControlLease } from '#machines/run/run.context.js';
import { isRefusal, type Refusal } from '#machines/run/run.decide.js';
import { statusOf } from '#machines/run/run.effects.js';
import type { RunFiles } from '../agentfs/agentfs.js';
import { asFailure } from '../effects/effect.js';
import { keepOutput } from '../effects/outputs.js';
import { InvalidMissionError } from '../mission/check-mission.js';
import { bestIssues } from '../mission/issues.js';
import type { EventLog } from '../log/event-log.js';
import { PERSON_STEP, type StepResult } from '../runtimes/driver.js';
import type { DriverRegistry } from '../runtimes/registry.js';
import { redacted } from '../runtimes/redact.js';
import { newId } from '../ids.js';
import { createBudgets } from './budget.js';
import { handleCommand, type CommandContext } from './handle-command.js';
import { loadRun } from './load-run.js';
import type { RunState } from './run-state.js';

export const DEFAULT_CONTROL_MS = 60_000;

export interface TakeoverDeps {
  readonly log: EventLog;
  readonly drivers: DriverRegistry;
  readonly stepTimeoutMs: number;
  readonly trace: (trace: Trace) => void;
  files(runId: string): RunFiles;
  /** Resolves when the run has changed, or after `ms`. */
  changed(runId: string, ms: number): Promise<unknown>;
}

/** Somebody else holds the controls. */
export class ControlHeldError extends Error {
  readonly code = 'control-held';
  constructor(
    readonly runId: string,
    readonly holder: Pick<ControlLease, 'holder' | 'expiresAt'>,
  ) {
    super(`the controls of run ${runId} are held by ${holder.holder} until ${holder.expiresAt}`);
    this.name = 'ControlHeldError';
  }
}

/** The lease that was named is not the one in force. */
export class WrongLeaseError extends Error {
  readonly code = 'wrong-lease';
  constructor(readonly runId: string) {
    super(`this lease on run ${runId} is not in force`);
    this.name = 'WrongLeaseError';
  }
}

/** The run did not come to rest in time, so that the controls could not change hands. It still pauses. */
export class StillPausingError extends Error {
  readonly code = 'still-pausing';
  constructor(readonly runId: string) {
    super(`run ${runId} has not come to rest yet: an act is still in flight`);
    this.name = 'StillPausingError';
  }
}

const PAUSE_TIMEOUT_MS = 30_000;
const expiry = (ttlMs: number | undefined): string =>
  new Date(Date.now() + (ttlMs ?? DEFAULT_CONTROL_MS)).toISOString();
const leaseIn = ({ snapshot }: RunState): ControlLease | null =>
  controlAt(snapshot.context, new Date().toISOString());

/** Throws when a lease is not the one in force. */
export function requireLease(state: RunState, lease: string): void {
  if (leaseIn(state)?.lease !== lease) throw new WrongLeaseError(state.runId);
}

/** Pauses the run if it is at work, and hands the controls to a person. */
export async function takeControl(
  deps: Pick<TakeoverDeps, 'log' | 'changed'>,
  runId: string,
  { holder, ttlMs, reason }: { holder: string; ttlMs?: number | undefined; reason?: string | undefined },
  context: CommandContext,
): Promise<{ state: RunState; control: ControlLease } | Refusal> {
  const deadline = Date.now() + PAUSE_TIMEOUT_MS;
  while (Date.now() < deadline) {
    const state = await loadRun(deps.log, runId);
    const held = leaseIn(state);
    if (held) throw new ControlHeldError(runId, held);
    const status = statusOf(state.snapshot);
    if (status === 'pausing') {
      await deps.changed(runId, 250);
      continue;
    }
    const wish: ControlCommand = {
      kind: 'TakeControl',
      lease: newId(),
      holder,
      reason,
      expiresAt: expiry(ttlMs),
    };
    const command =
      status === 'paused' ? wish : ({ kind: 'PauseRun', reason: reason ?? `takeover by ${holder}` } as const);
    const after = await handleCommand(deps.log, runId, command, context);
    if (isRefusal(after)) {
      if ((await loadRun(deps.log, runId)).rev !== state.rev) continue;
      return after;
    }
    const control = leaseIn(after);
    if (command === wish && control?.lease === wish.lease) return { state: after, control };
  }
  throw new StillPausingError(runId);
}

/** Prolongs a lease that is in force. */
export async function renewControl(
  log: EventLog,
  runId: string,
  { lease, ttlMs }: { lease: string; ttlMs?: number | undefined },
  context: CommandContext,
): Promise<RunState> {
  const command = { kind: 'RenewControl', lease, expiresAt: expiry(ttlMs) } as const;
  const after = await handleCommand(log, runId, command, context);
  if (isRefusal(after)) throw new WrongLeaseError(runId);
  return after;
}

/** Prolongs a lease that would run out soon; one that is long enough is left as it is. */
export async function keepControl(
  log: EventLog,
  runId: string,
  lease: string,
  context: CommandContext,
): Promise<void> {
  const control = leaseIn(await loadRun(log, runId));
  if (control?.lease !== lease) throw new WrongLeaseError(runId);
  const left = Date.parse(control.expiresAt) - Date.now();
  if (left < DEFAULT_CONTROL_MS / 2) await renewControl(log, runId, { lease }, context);
}

/** Gives the controls back to the run, which goes on where it stood. */
export async function handBack(
  log: EventLog,
  runId: string,
  wish: { lease: string; note?: string | undefined; replan?: boolean | undefined },
  context: CommandContext,
): Promise<RunState | Refusal> {
  const state = await loadRun(log, runId);
  if (leaseIn(state)?.lease !== wish.lease) throw new WrongLeaseError(runId);
  return handleCommand(log, runId, { kind: 'HandBack', ...wish }, context);
}

export interface PersonAction {
  readonly lease: string;
  readonly do: string;
  readonly with: Json;
  readonly recordText?: boolean | undefined;
}

/** Does what a person wants through the driver an agent would use, and records it like an agent's act. */
export async function actAsPerson(
  deps: TakeoverDeps,
  runId: string,
  action: PersonAction,
  context: CommandContext,
): Promise<{ outcome: 'succeeded' | 'failed'; state: RunState; data: object }> {
  const startedAt = performance.now();
  const before = await loadRun(deps.log, runId);
  const held = await holdLease(deps.log, runId, action.lease, context);
  const result = await perform(deps, before, action, held.lost)
    .then(
      (done) => ({ outcome: 'succeeded' as const, done, failure: undefined }),
      (error: unknown) => {
        if (error instanceof WrongLeaseError || error instanceof InvalidMissionError) throw error;
        return { outcome: 'failed' as const, done: undefined, failure: asFailure(error) };
      },
    )
    .finally(() => held.release());
  const files = deps.files(runId);
  const { done, failure, outcome } = result;
  const data = {
    lease: action.lease,
    does: action.do,
    with: action.recordText ? action.with : redacted(action.with),
    outcome,
    durationMs: Math.round(performance.now() - startedAt),
    ...(failure && { failure }),
    ...(done && { output: await keepOutput(files, done.output, done.content) }),
    ...(done?.artifacts?.length && { artifacts: done.artifacts }),
    ...(done?.evidence?.length && { evidence: done.evidence }),
  };
  const after = await handleCommand(
    deps.log,
    runId,
    { kind: 'Record', event: { type: 'control.acted', data } },
    context,
  );
  if (isRefusal(after)) throw new WrongLeaseError(runId);
  return { outcome, state: after, data };
}

/** While a person's act is in flight its lease does not run out: an act that was made can always be recorded. */
const ACT_LEASE_MS = 5_000;

/** Keeps a lease for as long as an act takes. `lost` is aborted when that cannot be done any more. */
async function holdLease(
  log: EventLog,
  runId: string,
  lease: string,
  context: CommandContext,
): Promise<{ lost: AbortSignal; release(): void }> {
  const lost = new AbortController();
  const { actor, causationid } = context;
  const keep = async (): Promise<void> => {
    const control = leaseIn(await loadRun(log, runId));
    if (control?.lease !== lease) throw new WrongLeaseError(runId);
    if (Date.parse(control.expiresAt) - Date.now() < ACT_LEASE_MS)
      await renewControl(log, runId, { lease, ttlMs: ACT_LEASE_MS * 2 }, { actor, causationid });
  };
  await keep();
  const timer = setInterval(() => void keep().catch((error: unknown) => lost.abort(error)), ACT_LEASE_MS / 2);
  return { lost: lost.signal, release: () => clearInterval(timer) };
}

async function perform(
  deps: TakeoverDeps,
  state: RunState,
  action: PersonAction,
  lost: AbortSignal,
): Promise<StepResult> {
  const parsed = stepSchema.safeParse({
    id: PERSON_STEP,
    title: PERSON_STEP,
    do: action.do,
    with: action.with,
  });
  if (!parsed.success) throw new InvalidMissionError(bestIssues(parsed.error.issues));
  const { runId } = state;
  const signal = AbortSignal.any([lost, AbortSignal.timeout(deps.stepTimeoutMs)]);
  const mayAct = async () => {
    if (leaseIn(await loadRun(deps.log, runId))?.lease !== action.lease) throw new WrongLeaseError(runId);
    signal.throwIfAborted();
  };
  await mayAct();
  return deps.drivers.driverFor(parsed.data).execute({
    runId,
    stepId: PERSON_STEP,
    attempt: 1,
    step: parsed.data,
    planned: { ...parsed.data, with: redacted(parsed.data.with as Json) } as PlanStep,
    trace: deps.trace,
    idempotencyKey: `${runId}/takeover/${newId()}`,
    mission: state.snapshot.context.mission,
    files: deps.files(runId),
    signal,
    pausing: new AbortController().signal,
    fence: {
      epoch: state.snapshot.context.epoch,
      control: state.snapshot.context.controlEpoch,
    },
    waitFor: () => () => undefined,
    mayAct,
    budget: createBudgets(() => state.snapshot.context).open(PERSON_STEP),
  });
}
