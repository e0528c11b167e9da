import type { DesktopEndpoint } from '#events/subjects.js';

/** A desktop that has dialled in, as it was found. */
export interface FoundDesktop {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The desktops that serve over NATS. */
export interface Desktops {
  /** Those that answer now. */
  find(): Promise<FoundDesktop[]>;
  /** Asks one; rejects with a DesktopSilentError when it is not there or does not answer in time. */
  ask(
    name: string,
    endpoint: DesktopEndpoint,
    body: object,
    how: { timeoutMs: number; signal?: AbortSignal | undefined },
  ): Promise<unknown>;
  /** Hears whenever the controls of a desktop change hands. */
  onEvent(heard: (body: unknown) => void): () => void;
}

/** A desktop does not answer. `sent` when it may have got the question. */
export class DesktopSilentError extends Error {
  readonly code = 'desktop-silent';
  constructor(
    readonly desktop: string,
    readonly sent: boolean,
  ) {
    super(`the desktop ${desktop} does not answer`);
    this.name = 'DesktopSilentError';
  }
}
