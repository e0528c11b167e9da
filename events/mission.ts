import { z } from 'zod';
import { planSchema, runtimeSchema } from './plan.js';
import { digestSchema } from './shapes.js';

/** What a run may use at most. */
export const limitsSchema = z.strictObject({
  maxSteps: z.int().min(1).max(10_000).optional(),
  maxParallel: z.int().min(1).max(64).optional(),
  maxDurationMs: z.int().min(1).max(2_592_000_000).optional(),
  maxTokens: z.int().min(1).max(1_000_000_000_000).optional(),
  maxCostUsd: z.number().min(0).max(1_000_000).optional(),
});
export type Limits = z.infer<typeof limitsSchema>;

const hosts = z.array(z.string().min(1).max(253)).max(100).optional();

/** Free-form notes on a mission; these mean something to SkyAgentOS itself. */
export const metadataSchema = z
  .object({
    runtime: runtimeSchema.optional(),
    /** Loopback and private hosts that the mission may open. */
    allowHosts: hosts,
    /** Applications that the mission may start on the server's own desktop, and folders that it may look into there. */
    allowApps: z.array(z.string().min(1).max(100)).max(50).optional(),
    allowFolders: z.array(z.string().min(1).max(4096)).max(50).optional(),
    /** The only hosts that the mission may open; `*.example.org` is every host below example.org. */
    onlyHosts: hosts,
    /** Cookies and local storage of this name are there at the start, and kept for the next run at the end. */
    profile: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,64}$/, 'expected up to 64 letters, digits, - or _')
      .optional(),
    /** What is recorded of a browser while a step of the run uses it. */
    record: z
      .array(z.enum(['har', 'video', 'console']))
      .max(3)
      .optional(),
    /** When a browser's picture is kept: when an action fails, after each that changes something, after every one. */
    screenshots: z.enum(['none', 'failures', 'changes', 'all']).optional(),
  })
  .catchall(z.json());

/** When a mission runs: once at a time, or again and again. Times of a cron expression are in `timezone`, else in UTC. */
export const scheduleSchema = z
  .strictObject({
    at: z.iso.datetime({ offset: true }).optional(),
    /** minute hour day-of-month month day-of-week */
    cron: z.string().min(9).max(100).optional(),
    timezone: z.string().min(1).max(100).optional(),
    /** A start that came while nobody was there: `run` it late, once, or `skip` it. */
    missed: z.enum(['run', 'skip']).default('run'),
  })
  .refine((schedule) => (schedule.at === undefined) !== (schedule.cron === undefined), {
    message: 'a schedule has either `at` or `cron`',
  })
  .refine((schedule) => schedule.timezone === undefined || schedule.cron !== undefined, {
    path: ['timezone'],
    message: 'belongs to `cron`; `at` has its own offset',
  });
export type Schedule = z.infer<typeof scheduleSchema>;

export const missionShape = {
  objective: z.string().trim().min(1).max(20_000).optional(),
  template: z.string().min(1).max(100).optional(),
  inputs: z.record(z.string(), z.json()).default({}),
  metadata: metadataSchema.default({}),
  plan: planSchema.optional(),
  limits: limitsSchema.default({}),
  approval: z.enum(['never', 'plan']).default('never'),
  schedule: scheduleSchema.optional(),
};

/** What `POST /missions` takes: a mission as a person or another agent hands it in. */
export const missionRequestSchema = z
  .strictObject({ ...missionShape, dryRun: z.boolean().optional() })
  .refine((mission) => mission.objective ?? mission.template ?? mission.plan, {
    message: 'one of objective, template, plan is required',
  })
  .refine((mission) => !(mission.template && mission.plan), {
    path: ['plan'],
    message: 'a mission has a template or a plan, not both: the template brings its own plan',
  });
export type MissionRequest = z.infer<typeof missionRequestSchema>;

/** A file that came with a mission: where it is in the run's folder, and what it holds. */
const inputFileSchema = z.strictObject({ path: z.string(), digest: digestSchema, bytes: z.int().min(0) });

/** A mission as a run records it. */
export const missionSchema = z.strictObject({
  id: z.string(),
  ...missionShape,
  files: z.array(inputFileSchema).optional(),
});
export type Mission = z.infer<typeof missionSchema>;

/** How many steps of one run are in the world at a time, unless the mission says. */
export const DEFAULT_MAX_PARALLEL = 4;
/** How many steps (with the children of `forEach`) a run may have, unless the mission says. */
export const DEFAULT_MAX_STEPS = 1000;
