import type { OwnerCommand } from '#machines/run/run.decide.js';
import type { Plan } from '#events/plan.js';
import { failure } from '../failures/failures.js';
import { routeObjective } from '../runtimes/routing.js';
import { asFailure, record, type EffectTask } from './effect.js';

/** Makes the plan: a template brings its own; words alone need a model, except in a dry run. */
export function plan(task: EffectTask): Promise<OwnerCommand> {
  const { mission, dryRun } = task.context;
  if (mission.template !== undefined) return Promise.resolve(planOfTemplate(task, mission.template));
  const route = routeObjective(mission);
  if (!dryRun) {
    const message = 'this mission is an objective in words, and no model is configured to plan it';
    return Promise.resolve(
      record({ type: 'plan.failed', data: { failure: failure('no-planner', message) } }),
    );
  }
  const reason = `a dry run stands in for the planner; runtime ${route.runtime}: ${route.reason}`;
  const data = {
    plan: simulatedPlan(route.runtime, mission.objective!),
    source: 'simulated' as const,
    reason,
  };
  return Promise.resolve(record({ type: 'plan.proposed', data }));
}

function planOfTemplate(task: EffectTask, id: string): OwnerCommand {
  try {
    const template = task.deps.templates.get(id);
    const reason = `template ${id} brings its plan`;
    return record({ type: 'plan.proposed', data: { plan: template.plan, source: 'template', reason } });
  } catch (error) {
    return record({ type: 'plan.failed', data: { failure: asFailure(error) } });
  }
}

function simulatedPlan(runtime: 'browser' | 'desktop' | 'workspace', objective: string): Plan {
  const step = { id: 'task', title: objective.slice(0, 200).toWellFormed() };
  if (runtime === 'workspace')
    return { steps: [{ ...step, do: 'workspace.call', with: { tool: 'noop', args: {} } }] };
  return { steps: [{ ...step, do: `${runtime}.task`, with: { instruction: objective } }] };
}
