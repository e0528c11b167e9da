import { z } from 'zod';

const reason = z.string().max(2000).optional();

/** What `POST /runs/:id/…` takes, by command. */
export const commandBodies = {
  pause: z.strictObject({ reason }),
  resume: z.strictObject({ note: z.string().max(10_000).optional() }),
  cancel: z.strictObject({ reason }),
  approve: z.strictObject({ stepId: z.string().optional(), note: z.string().max(2000).optional() }),
  reject: z.strictObject({ stepId: z.string().optional(), reason }),
} as const;

export type PersonCommand =
  | { readonly kind: 'PauseRun'; readonly reason?: string | undefined }
  | { readonly kind: 'ResumeRun'; readonly note?: string | undefined }
  | { readonly kind: 'CancelRun'; readonly reason?: string | undefined }
  | { readonly kind: 'Approve'; readonly stepId?: string | undefined; readonly note?: string | undefined }
  | { readonly kind: 'Reject'; readonly stepId?: string | undefined; readonly reason?: string | undefined };

/** The names people use for commands, in URLs and in `commands` of a run. */
export type CommandName = keyof typeof commandBodies;
