import { z } from 'zod';

/** `browser.task`, `desktop.task`: an instruction in words, for a model (or a service that has one) to carry out. */
export const taskSchema = z.strictObject({
  instruction: z.string().min(1).max(20_000),
  url: z.string().min(1).optional(),
});

/** `desktop.script`: typed actions for the computer-use daemon, which checks them itself. */
export const desktopScriptSchema = z.strictObject({
  actions: z.array(z.record(z.string(), z.json())).min(1).max(500),
});
