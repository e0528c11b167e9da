import {
  desktopAnswerSchema,
  desktopControlSchema,
  desktopErrorSchema,
  desktopInfoSchema,
  type DesktopAnswer,
  type DesktopCommand,
  type DesktopControl,
  type DesktopControlCommand,
  type DesktopErrorBody,
  type DesktopInfo,
} from '#events/desktop.js';
import { z } from 'zod';

/** The way to one desktop, over HTTP or over NATS. */
export interface DesktopLink {
  readonly name: string;
  /** The desktop is this process's own: what may be started there, missions and settings say. */
  readonly own: boolean;
  info(): Promise<DesktopInfo>;
  /** One action. An abort stops it at the desktop too. */
  act(command: DesktopCommand, signal: AbortSignal): Promise<DesktopAnswer>;
  /** Asks for the end of what was begun under an id; its answer then says how far it came. */
  cancel(id: string): Promise<void>;
  /** Throws a DesktopRefusedError. */
  control(command: DesktopControlCommand): Promise<DesktopControl>;
  /** Hears whenever the controls change hands. */
  onControl(heard: (control: DesktopControl) => void): () => void;
  close(): Promise<void>;
}

/** A desktop does not do what it is asked, and says why. */
export class DesktopRefusedError extends Error {
  readonly code: string;
  constructor(readonly body: DesktopErrorBody) {
    super(body.message);
    this.name = 'DesktopRefusedError';
    this.code = body.code;
  }
}

/** A desktop cannot be reached. `sent` when it may have got what it was asked. */
export class DesktopUnreachableError extends Error {
  readonly code = 'desktop-unreachable';
  constructor(
    readonly desktop: string,
    readonly sent: boolean,
  ) {
    super(`the desktop ${desktop} cannot be reached`);
    this.name = 'DesktopUnreachableError';
  }
}

const refusalSchema = z.object({ ok: z.literal(false), error: desktopErrorSchema });

/** What a daemon answered, checked: another version may speak otherwise. */
export function answerOf(desktop: string, body: unknown): DesktopAnswer {
  return read(desktop, desktopAnswerSchema, body);
}

export function controlOf(desktop: string, body: unknown): DesktopControl {
  const refused = refusalSchema.safeParse(body);
  if (refused.success) throw new DesktopRefusedError(refused.data.error);
  return read(desktop, desktopControlSchema, body);
}

export function infoOf(desktop: string, body: unknown): DesktopInfo {
  const refused = refusalSchema.safeParse(body);
  if (refused.success) throw new DesktopRefusedError(refused.data.error);
  return read(desktop, desktopInfoSchema, body);
}

function read<S extends z.ZodType>(desktop: string, schema: S, body: unknown): z.infer<S> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const message = `the desktop ${desktop} answers in a way that is not understood: is its daemon of another version?`;
  throw new DesktopRefusedError({
    code: 'fault',
    message,
    hint: 'use the same version on both sides',
    untouched: false,
  });
}
