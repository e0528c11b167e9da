import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import { DEFAULT_MAX_STEPS, missionRequestSchema, type MissionRequest } from '#events/mission.js';
import type { Check, Plan, PlanStep } from '#events/plan.js';
import { expressionsIn, syntaxError } from '../effects/resolve.js';
import { StepFailedError } from '../failures/failures.js';
import { runtimeOf } from '../runtimes/routing.js';
import { bestIssues, pointerOf, type Issue } from './issues.js';
import { scheduleIssues } from './schedule.js';
import type { Templates } from './templates.js';

/** A mission that cannot be accepted; nothing has been written. */
export class InvalidMissionError extends Error {
  readonly code = 'invalid-mission';
  constructor(readonly issues: readonly Issue[]) {
    super(issues.map(({ pointer, message }) => `${pointer || 'the mission'}: ${message}`).join('; '));
    this.name = 'InvalidMissionError';
  }
}

export interface ToolNames {
  /** Names of the built-in workspace tools. */
  readonly tools: readonly string[];
  /** Names of the MCP servers; what tools they have is known when they run. */
  readonly servers: readonly string[];
  /** Names of the drivers that this deployment has. */
  readonly driverNames: readonly string[];
}
export interface CheckDeps extends ToolNames {
  readonly templates: Templates;
}

/** A mission as it will be recorded, or all that is wrong with it. A dry run takes missing inputs from the sample. */
export function checkMission(
  body: unknown,
  dryRunByDefault: boolean,
  deps: CheckDeps,
): MissionRequest & { dryRun: boolean } {
  const parsed = missionRequestSchema.safeParse(body);
  if (!parsed.success) throw new InvalidMissionError(bestIssues(parsed.error.issues));
  const request = { ...parsed.data, dryRun: parsed.data.dryRun ?? dryRunByDefault };
  const mission =
    request.template === undefined ? request : withTemplate(request, request.template, deps.templates);
  const issues = [
    ...(mission.plan ? planIssues(mission.plan, mission, deps) : []),
    ...(mission.schedule ? scheduleIssues(mission.schedule, new Date()) : []),
  ];
  if (issues.length > 0) throw new InvalidMissionError(issues);
  return mission;
}

function withTemplate<M extends MissionRequest & { dryRun: boolean }>(
  mission: M,
  id: string,
  templates: Templates,
): M {
  const template = found(templates, id);
  const inputs = mission.dryRun ? { ...template.sample, ...mission.inputs } : mission.inputs;
  const ajv = new Ajv2020({ allErrors: true, strict: false });
  if (!ajv.validate(template.inputs, inputs))
    throw new InvalidMissionError((ajv.errors ?? []).map(inputIssue));
  return { ...mission, inputs, metadata: { ...template.metadata, ...mission.metadata } };
}

function found(templates: Templates, id: string) {
  try {
    return templates.get(id);
  } catch (error) {
    if (error instanceof StepFailedError)
      throw new InvalidMissionError([{ pointer: '/template', message: error.message }]);
    throw error;
  }
}

function inputIssue(error: ErrorObject): Issue {
  const missing =
    error.keyword === 'required' ? `/${(error.params as { missingProperty: string }).missingProperty}` : '';
  const extra =
    error.keyword === 'additionalProperties'
      ? `/${(error.params as { additionalProperty: string }).additionalProperty}`
      : '';
  const message = missing
    ? 'this input is required'
    : extra
      ? 'the template has no such input'
      : (error.message ?? 'not valid');
  return { pointer: `/inputs${error.instancePath}${missing}${extra}`, message };
}

/** What the shape alone cannot say: expressions that do not parse, unknown tools, runtimes that do not fit, too many steps. */
export function planIssues(plan: Plan, mission: Pick<MissionRequest, 'limits'>, deps: ToolNames): Issue[] {
  const most = mission.limits.maxSteps ?? DEFAULT_MAX_STEPS;
  const tooMany =
    plan.steps.length > most
      ? [{ pointer: '/plan/steps', message: `has ${plan.steps.length} steps; limits.maxSteps is ${most}` }]
      : [];
  return [
    ...tooMany,
    ...plan.steps.flatMap((step, index) => stepIssues(step, ['plan', 'steps', index], deps)),
    ...checkIssues(plan.success ?? [], ['plan', 'success']),
  ];
}

function stepIssues(step: PlanStep, path: (string | number)[], tools: ToolNames): Issue[] {
  return [
    ...expressionIssues(step.with, [...path, 'with']),
    ...expressionIssues(step.forEach, [...path, 'forEach']),
    ...checkIssues(step.expect ?? [], [...path, 'expect']),
    ...lookUpIssues(step, path),
    ...toolIssues(step, path, tools),
    ...runtimeIssues(step, path),
    ...driverIssues(step, path, tools),
  ];
}

const lookUpIssues = (step: PlanStep, path: (string | number)[]): Issue[] =>
  step.do === 'browser.script' && step.with.lookUp
    ? expressionIssue(step.with.lookUp.found, [...path, 'with', 'lookUp', 'found'])
    : [];

const expressionIssues = (value: unknown, path: (string | number)[]): Issue[] =>
  expressionsIn(value).flatMap((expression) => expressionIssue(expression, path));

function expressionIssue(expression: string, path: (string | number)[]): Issue[] {
  const wrong = syntaxError(expression);
  return wrong === undefined
    ? []
    : [{ pointer: pointerOf(path), message: `“${expression.trim()}” is not a JSONata expression: ${wrong}` }];
}

const checkIssues = (checks: readonly Check[], path: (string | number)[]): Issue[] =>
  checks.flatMap((check, index) => {
    const at = [...path, index];
    if ('jsonata' in check) return expressionIssue(check.jsonata, [...at, 'jsonata']);
    return expressionIssues(check, at);
  });

function toolIssues(step: PlanStep, path: (string | number)[], { tools, servers }: ToolNames): Issue[] {
  if (step.do !== 'workspace.call') return [];
  const { server, tool } = step.with;
  if (server !== undefined) {
    if (servers.includes(server)) return [];
    const known = servers.length > 0 ? `; there are: ${servers.join(', ')}` : '';
    const message = `no MCP server "${server}" is configured${known}`;
    return [{ pointer: pointerOf([...path, 'with', 'server']), message }];
  }
  if (tools.includes(tool)) return [];
  return [
    {
      pointer: pointerOf([...path, 'with', 'tool']),
      message: `there is no tool "${tool}"; there are: ${tools.join(', ')}`,
    },
  ];
}

function runtimeIssues(step: PlanStep, path: (string | number)[]): Issue[] {
  if (step.runtime === undefined || step.runtime === runtimeOf(step)) return [];
  const message = `a ${step.do} step runs in the ${runtimeOf(step)}, not in the ${step.runtime}`;
  return [{ pointer: pointerOf([...path, 'runtime']), message }];
}

function driverIssues(step: PlanStep, path: (string | number)[], { driverNames }: ToolNames): Issue[] {
  if (!('drivers' in step) || !step.drivers) return [];
  return step.drivers.flatMap((driver, index) => {
    const pointer = pointerOf([...path, 'drivers', index]);
    if (!driverNames.includes(driver)) return [{ pointer, message: `no ${driver} is configured` }];
    const intent = step.do !== 'browser.script' || step.with.intent !== undefined;
    return driver === 'skyvern' && !intent
      ? [{ pointer, message: 'Skyvern follows no script: say what it is for in with.intent' }]
      : [];
  });
}
