import type { OwnerCommand } from '#machines/run/run.decide.js';

/** What an effect hands back, or (without a command) a hint to read the log. */
export interface Mail {
  readonly command?: OwnerCommand | undefined;
  readonly effectId?: string | undefined;
  /** Not a hint, but a question: whether the run is still this owner's. */
  readonly look?: boolean;
  /** Called when it was dealt with, or never will be. */
  readonly done?: () => void;
}

export interface Mailbox {
  /** Nothing waits. */
  readonly empty: boolean;
  /** Nothing waits, and nothing is being dealt with. */
  readonly idle: boolean;
  post(mail: Mail): void;
  /** Takes no more; who waits for what is still inside need not wait. */
  close(): void;
}

export interface MailboxDeps {
  handle(mail: Mail): Promise<void>;
  /** All is dealt with. */
  onEmpty(): void;
  onFault(error: unknown): unknown;
}

/** One mail at a time, in order: what makes an owner the single writer of its run within this process. */
export function createMailbox(deps: MailboxDeps): Mailbox {
  const waiting: Mail[] = [];
  let draining = false;
  let closed = false;

  async function drain(): Promise<void> {
    draining = true;
    try {
      for (let mail = waiting.shift(); mail && !closed; mail = waiting.shift()) {
        try {
          await deps.handle(mail);
        } finally {
          mail.done?.();
        }
      }
      if (!closed) deps.onEmpty();
    } catch (error) {
      void deps.onFault(error);
    } finally {
      draining = false;
    }
  }

  return {
    get empty() {
      return waiting.length === 0;
    },
    get idle() {
      return waiting.length === 0 && !draining;
    },
    post: (mail) => {
      if (closed) return mail.done?.();
      waiting.push(mail);
      if (!draining) void drain();
    },
    close: () => {
      closed = true;
      for (const mail of waiting.splice(0)) mail.done?.();
    },
  };
}
