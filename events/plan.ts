import { z } from 'zod';
import { browserActionSchema, READ_ONLY_BROWSER_ACTIONS } from './actions/browser.js';
import { targetSchema } from './actions/browser-target.js';
import { browserTaskSchema, desktopScriptSchema, desktopTaskSchema } from './actions/task.js';
import { workspaceCallSchema } from './actions/workspace.js';
import { templateStringSchema } from './shapes.js';

export const runtimeSchema = z.enum(['browser', 'desktop', 'workspace']);
export type Runtime = z.infer<typeof runtimeSchema>;

/** Step ids name subjects, effects and files: letters, digits, `-` and `_`. A dot is kept for `forEach` children. */
export const stepIdSchema = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]{0,62}$/, 'expected a letter, then up to 62 letters, digits, - or _');

const message = z.string().max(500).optional();

/** The page a browser step ended on: parts of its address and title, words that are to be seen, words that are not. */
const pageCheckSchema = z
  .strictObject({
    url: z.string().min(1).optional(),
    title: z.string().min(1).optional(),
    text: z.string().min(1).optional(),
    absent: z.string().min(1).optional(),
    status: z.int().min(100).max(599).optional(),
  })
  .refine((page) => Object.keys(page).length > 0, 'expected one of url, title, text, absent, status');
/** A field of that page holds a value when it is read back. */
const fieldCheckSchema = z.strictObject({ of: targetSchema, value: z.string() });
/** The page sent a request and it was answered: by a part of its address, its method, its status. */
const requestCheckSchema = z.strictObject({
  url: z.string().min(1),
  method: z.string().min(1).optional(),
  status: z.int().min(100).max(599).optional(),
});
/** A file was downloaded: with this digest, at least so large, under a name that holds this. */
const downloadCheckSchema = z.strictObject({
  name: z.string().min(1).optional(),
  digest: z.string().optional(),
  minBytes: z.int().min(0).optional(),
});

/** One piece of evidence a step or a run must show. Each is a one-key object, with an optional `message`. */
export const checkSchema = z.union([
  z.strictObject({ jsonata: z.string().min(1), message }),
  z.strictObject({
    file: z.strictObject({
      path: z.string().min(1),
      digest: z.string().optional(),
      minBytes: z.int().min(0).optional(),
    }),
    message,
  }),
  z.strictObject({ schema: z.record(z.string(), z.json()), message }),
  z.strictObject({ text: z.string().min(1), message }),
  z.strictObject({ status: z.int().min(100).max(599), message }),
  z.strictObject({ quotes: templateStringSchema, message }),
  z.strictObject({ page: pageCheckSchema, message }),
  z.strictObject({ field: fieldCheckSchema, message }),
  z.strictObject({ request: requestCheckSchema, message }),
  z.strictObject({ download: downloadCheckSchema, message }),
]);
export type Check = z.infer<typeof checkSchema>;

const stepBase = {
  id: stepIdSchema,
  title: z.string().min(1).max(200),
  runtime: runtimeSchema.optional(),
  needs: z.array(z.string()).max(100).optional(),
  forEach: templateStringSchema.optional(),
  retry: z
    .strictObject({ max: z.int().min(0).max(100), backoffMs: z.int().min(0).max(86_400_000).default(1000) })
    .optional(),
  timeoutMs: z.int().min(1).max(86_400_000).optional(),
  safeToRepeat: z.boolean().optional(),
  /** A person is asked first; with `each`, about each child of a `forEach` step. */
  approval: z.union([z.boolean(), z.literal('each')]).optional(),
  expect: z.array(checkSchema).max(50).optional(),
  onFailure: z.enum(['fail', 'continue']).optional(),
};

/** Who drives a browser: our own Chromium, or a Skyvern. */
export const browserDriverSchema = z.enum(['playwright', 'skyvern']);
export type BrowserDriverName = z.infer<typeof browserDriverSchema>;
/** The drivers that do a step: the first, and when it fails the next one, with the same intent and the same checks. */
const drivers = z.array(browserDriverSchema).min(1).max(5).optional();

const scriptSchema = z.array(browserActionSchema).min(1).max(500);
/**
 * How to tell, after an interruption, whether a script took effect: actions that only look, and a JSONata expression over
 * `{ output }` of them that is true when it did.
 */
const lookUpSchema = z.strictObject({
  actions: scriptSchema.refine(
    (actions) => actions.every((action) => READ_ONLY_BROWSER_ACTIONS.has(Object.keys(action)[0]!)),
    'a look-up only looks: goto, wait, extract, screenshot, assert',
  ),
  found: z.string().min(1).max(10_000),
});

export const stepSchema = z.discriminatedUnion('do', [
  z.strictObject({
    ...stepBase,
    drivers,
    do: z.literal('browser.script'),
    with: z.strictObject({
      actions: scriptSchema,
      lookUp: lookUpSchema.optional(),
      /** What the script is for, in words: a driver that follows instructions instead of scripts goes by it. */
      intent: browserTaskSchema.optional(),
    }),
  }),
  z.strictObject({ ...stepBase, drivers, do: z.literal('browser.task'), with: browserTaskSchema }),
  z.strictObject({ ...stepBase, do: z.literal('desktop.script'), with: desktopScriptSchema }),
  z.strictObject({ ...stepBase, do: z.literal('desktop.task'), with: desktopTaskSchema }),
  z.strictObject({ ...stepBase, do: z.literal('workspace.call'), with: workspaceCallSchema }),
]);
export type PlanStep = z.infer<typeof stepSchema>;

/** A DAG of steps and the checks that decide whether the run succeeded. */
export const planSchema = z
  .strictObject({
    steps: z.array(stepSchema).min(1).max(1000),
    success: z.array(checkSchema).max(100).optional(),
  })
  .superRefine((plan, context) => {
    for (const problem of graphProblems(plan.steps)) {
      context.addIssue({ code: 'custom', path: ['steps', ...problem.path], message: problem.message });
    }
  });
export type Plan = z.infer<typeof planSchema>;

interface GraphProblem {
  readonly path: (string | number)[];
  readonly message: string;
}

/** Ids given twice, needs that name no step, and the steps of a cycle. */
function graphProblems(
  steps: readonly Pick<PlanStep, 'id' | 'needs' | 'approval' | 'forEach'>[],
): GraphProblem[] {
  const ids = new Set<string>();
  const problems: GraphProblem[] = [];
  for (const [index, step] of steps.entries()) {
    if (ids.has(step.id))
      problems.push({ path: [index, 'id'], message: `step id "${step.id}" is used twice` });
    ids.add(step.id);
  }
  for (const [index, step] of steps.entries()) {
    for (const [at, need] of (step.needs ?? []).entries()) {
      if (!ids.has(need)) {
        problems.push({
          path: [index, 'needs', at],
          message: `"${need}" is not the id of a step in this plan`,
        });
      }
    }
  }
  for (const [index, step] of steps.entries())
    if (step.approval === 'each' && step.forEach === undefined)
      problems.push({ path: [index, 'approval'], message: '"each" belongs to a step with forEach' });
  const cycle = problems.length === 0 ? findCycle(steps) : undefined;
  if (cycle) {
    const index = steps.findIndex((step) => step.id === cycle[0]);
    problems.push({ path: [index, 'needs'], message: `needs form a cycle: ${cycle.join(' → ')}` });
  }
  return problems;
}

/** Repeatedly takes away the steps whose needs are all taken; what is left over holds a cycle. */
function findCycle(steps: readonly { id: string; needs?: string[] | undefined }[]): string[] | undefined {
  const left = new Map(steps.map((step) => [step.id, step.needs ?? []]));
  for (let before = -1; before !== left.size;) {
    before = left.size;
    for (const [id, needs] of left) if (!needs.some((need) => left.has(need))) left.delete(id);
  }
  const first = left.keys().next();
  if (first.done) return undefined;
  const path = [first.value];
  for (;;) {
    const next = left.get(path.at(-1)!)!.find((need) => left.has(need))!;
    if (path.includes(next)) return [...path.slice(path.indexOf(next)), next];
    path.push(next);
  }
}
