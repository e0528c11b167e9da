import { desktopWireActionSchema, namedAction, type DesktopAction } from '#events/actions/desktop.js';
import type { PlanStep } from '#events/plan.js';
import type { Json } from '#events/shapes.js';
import { evaluate } from '../../effects/resolve.js';
import { fail, InDoubtError } from '../../failures/failures.js';
import { bestIssues } from '../../mission/issues.js';
import { PERSON_STEP, type Driver, type Reconciliation, type StepResult, type StepTask } from '../driver.js';
import { actOnce } from './act-once.js';
import type { Fleet } from './fleet.js';
import { failureOf } from './refusals.js';
import { personStep, watchDesktop } from './live.js';
import type { DesktopPolicy } from './observation.js';
import { takePicture } from './pictures.js';
import { runAction } from './run-action.js';
import { runTask } from './run-task.js';
import { NO_PROGRESS, type DesktopScript, type OwnRules, type Progress } from './script.js';
import type { LocalPerson, Seat } from './seat.js';
import { createSeats } from './seats.js';

export interface DesktopSettings extends OwnRules {
  readonly fleet: Fleet;
  readonly person: LocalPerson;
  /** What decides in `desktop.task`; without one, nobody here can follow an instruction. */
  readonly policy?: DesktopPolicy | undefined;
}

type DesktopStep = Extract<PlanStep, { do: 'desktop.script' | 'desktop.task' }>;

/** `desktop.script` and `desktop.task` on a desktop that a computer-use daemon serves. */
export function createDesktopDriver({ fleet, person, policy, ...rules }: DesktopSettings): Driver {
  const seats = createSeats(fleet, person);

  async function execute(task: StepTask): Promise<StepResult> {
    task.signal.throwIfAborted();
    const step = task.step as DesktopStep;
    if (step.do === 'desktop.task' && !policy)
      throw fail('needs-model', 'desktop.task needs a model to follow its instruction, and there is none');
    const progress = (task.progress as Progress | null | undefined) ?? NO_PROGRESS;
    const actions = step.do === 'desktop.script' ? actionsOf(step) : [];
    const { seat, done } = await seats.take(task, step.with.desktop);
    try {
      return await work(task, seat, { progress, actions });
    } finally {
      done();
    }
  }

  async function work(
    task: StepTask,
    seat: Seat,
    { progress, actions }: { progress: Progress; actions: readonly DesktopAction[] },
  ): Promise<StepResult> {
    const step = task.step as DesktopStep;
    const script: DesktopScript = {
      task,
      seat,
      frame: step.with.frame,
      rules,
      extracted: { ...progress.extracted },
      artifacts: [],
      changedBefore: progress !== NO_PROGRESS,
      typingIn: progress.window,
    };
    // What a person had down, who has handed the controls back, is not the run's.
    if (task.stepId !== PERSON_STEP)
      await seat.link.control({ do: 'halt', lease: seat.lease }).catch(() => undefined);
    try {
      if (step.do === 'desktop.task') await runTask(script, step.with, policy!);
      else await runScript(script, actions, argsOf(task.planned), progress);
      return await finish(script);
    } finally {
      // What a person holds down stays so until they let go; a step leaves nothing held, however it ends.
      if (task.stepId !== PERSON_STEP)
        await seat.link.control({ do: 'halt', lease: seat.lease }).catch(() => undefined);
    }
  }

  async function reconcile(task: StepTask): Promise<Reconciliation> {
    const lookUp = task.step.do === 'desktop.script' ? task.step.with.lookUp : undefined;
    if (!lookUp) {
      await seats.attempt(task, (task.step as DesktopStep).with.desktop).catch(() => undefined);
      return { outcome: 'unknown' };
    }
    const { actions, found } = lookUp;
    const step = { ...task.step, expect: undefined, with: { ...task.step.with, actions } } as PlanStep;
    const planned = plannedLookUp(task.planned);
    const result = await execute({ ...task, step, planned, progress: undefined });
    const holds = await evaluate(found, { inputs: {}, mission: {}, steps: {}, output: result.output });
    return holds === true ? { outcome: 'confirmed', result } : { outcome: 'refuted' };
  }

  return {
    name: 'desktop',
    runtime: 'desktop',
    handles: ['desktop.script', 'desktop.task'],
    execute,
    reconcile,
    endRun: (runId, how) => seats.end(runId, how),
    heldRuns: () => seats.runIds,
    watch: (runId, show) => watchDesktop(() => seats.peek(runId), show),
    personStep,
    close: () => seats.close(),
  };
}

async function runScript(
  script: DesktopScript,
  actions: readonly DesktopAction[],
  planned: readonly Json[],
  progress: Progress,
): Promise<void> {
  if (progress !== NO_PROGRESS) await goOn(script, actions.slice(0, progress.action), progress);
  for (const [index, action] of actions.entries()) {
    if (index < progress.action) continue;
    const typed = index === progress.action ? progress.typed : 0;
    const held = heldBy(actions.slice(0, index));
    await runAction(script, { action, index, args: planned[index] ?? {}, typed, holdsButton: held.button });
  }
}

/** What was held down when the step was suspended is pressed again, and the rest of a text goes where it began. */
async function goOn(
  script: DesktopScript,
  done: readonly DesktopAction[],
  { window, typed }: Progress,
): Promise<void> {
  const again = async (action: DesktopAction) => {
    await script.task.mayAct();
    const answer = await actOnce(script, action);
    if (!answer.ok) throw new InDoubtError(failureOf(answer.error, 'it could not go on: ').failure);
  };
  if (typed > 0 && window !== undefined)
    await again({ name: 'focusWindow', args: { window: { id: window } } });
  const { keys } = heldBy(done);
  if (keys.length > 0) await again({ name: 'hold', args: { keys: keys.slice(0, 5) } });
}

/** What the actions of a script have left down. */
function heldBy(actions: readonly DesktopAction[]): { keys: string[]; button: boolean } {
  let keys: readonly string[] = [];
  let button = false;
  for (const { name, args } of actions) {
    if (name === 'hold' && args.ms === undefined) {
      keys = [...keys, ...(args.keys ?? [])];
      button ||= args.button !== undefined;
    }
    if (name !== 'release') continue;
    const { keys: released, button: up } = args;
    const all = released === undefined && up === undefined;
    keys = all ? [] : keys.filter((key) => !released?.includes(key));
    button &&= !all && up === undefined;
  }
  return { keys: [...new Set(keys)], button };
}

async function finish(script: DesktopScript): Promise<StepResult> {
  const { task, seat, extracted, artifacts } = script;
  const wanted = (task.mission.metadata.screenshots ?? 'failures') !== 'none' && task.stepId !== PERSON_STEP;
  const last = wanted ? await takePicture(script) : undefined;
  const evidence = last
    ? [{ kind: 'file' as const, path: last.path, digest: last.digest, bytes: last.bytes }]
    : [];
  return { output: { desktop: seat.link.name, ...extracted }, content: true, artifacts, evidence };
}

/** The look-up as it stands in the plan, with its expressions. */
function plannedLookUp(planned: PlanStep): PlanStep {
  const actions = planned.do === 'desktop.script' ? (planned.with.lookUp?.actions ?? []) : [];
  return { ...planned, with: { actions } } as PlanStep;
}

function actionsOf(step: Extract<DesktopStep, { do: 'desktop.script' }>) {
  return step.with.actions.map((action, index) => {
    const parsed = desktopWireActionSchema.safeParse(action);
    if (parsed.success) return namedAction(parsed.data);
    const [first] = bestIssues(parsed.error.issues);
    throw fail('bad-arguments', `action ${index + 1}: ${first?.pointer} ${first?.message}`);
  });
}

/** The arguments of each action as the plan has them, with its expressions. */
const argsOf = (step: PlanStep): Json[] =>
  step.do === 'desktop.script' ? step.with.actions.map((action) => Object.values(action)[0] as Json) : [];
