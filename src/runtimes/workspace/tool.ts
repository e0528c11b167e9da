import type { z } from 'zod';
import type { Reconciliation, StepResult, StepTask } from '../driver.js';

/** What a built-in tool works with. */
export type ToolContext = Pick<StepTask, 'files' | 'signal' | 'idempotencyKey' | 'mayAct' | 'budget'>;

/** A built-in workspace tool. `args` are checked against `schema` before `call` sees them. */
export interface Tool<S extends z.ZodType = z.ZodType> {
  readonly name: string;
  readonly description: string;
  readonly schema: S;
  call(args: z.infer<S>, context: ToolContext): Promise<StepResult>;
  reconcile?(args: z.infer<S>, context: ToolContext): Promise<Reconciliation>;
}

export const defineTool = <S extends z.ZodType>(tool: Tool<S>): Tool => tool;
