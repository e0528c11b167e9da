import type { OwnerCommand } from '#machines/run/run.decide.js';
import type { Effect } from '#machines/run/run.effects.js';
import { askApproval } from './ask-approval.effect.js';
import { intentOf, record, type EffectRunner, type EffectTask } from './effect.js';
import { executeStep } from './execute-step.effect.js';
import { expandStep } from './expand-step.effect.js';
import { plan } from './plan.effect.js';
import { reconcile } from './reconcile.effect.js';
import { timer } from './timer.effect.js';
import { validate } from './validate.effect.js';
import { verifyStep } from './verify-step.effect.js';

type Runners = { readonly [K in Effect['kind']]: EffectRunner<Extract<Effect, { kind: K }>> };

const runners: Runners = {
  plan,
  validate,
  timer,
  conclude,
  pause: quiet('run.paused'),
  cancel: quiet('run.cancelled'),
  expand: expandStep,
  execute: executeStep,
  verify: verifyStep,
  reconcile,
  intend: (task) => Promise.resolve(record({ type: 'step.started', data: intentOf(task) })),
  'note-doubt': (task) => Promise.resolve(record({ type: 'step.in-doubt', data: intentOf(task) })),
  'ask-approval': askApproval,
};

/** Carries out one effect. */
export const runEffect: EffectRunner = (task) => {
  const runner = runners[task.effect.kind] as EffectRunner;
  return runner(task);
};

/** The end of a run, once nothing of it is in flight. */
function conclude(task: EffectTask): Promise<OwnerCommand> {
  const { failure, checksPassed } = task.context;
  return Promise.resolve(
    failure
      ? record({ type: 'run.failed', data: { failure } })
      : record({ type: 'run.succeeded', data: { checks: checksPassed } }),
  );
}

/** Acknowledges that nothing is in flight any more. */
function quiet(type: 'run.paused' | 'run.cancelled'): EffectRunner {
  return ({ context }) => {
    const interrupted = context.steps.filter((step) => INTERRUPTIBLE.has(step.state)).map((step) => step.id);
    const reason = context.reason ?? undefined;
    const quiescedAt = new Date().toISOString();
    const lastEffect = context.lastEffect ?? undefined;
    const cause = context.exhausted ? ('budget' as const) : ('person' as const);
    return Promise.resolve(
      type === 'run.paused'
        ? record({ type, data: { quiescedAt, lastEffect, interrupted, cause, reason } })
        : record({ type, data: { interrupted, reason } }),
    );
  };
}
const INTERRUPTIBLE: ReadonlySet<string> = new Set(['running', 'verifying', 'reconciling', 'inDoubt']);
