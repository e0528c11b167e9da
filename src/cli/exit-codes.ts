/** What the command line's exit codes mean. */
export const EXIT = {
  succeeded: 0,
  failed: 1,
  usage: 2,
  cancelled: 5,
  needsPerson: 6,
  unreachable: 9,
  interrupted: 130,
} as const;

/** An end of a command with an exit code and words for a person. */
export class CliError extends Error {
  constructor(
    readonly exitCode: number,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'CliError';
  }
}

/** The exit code of a run that rests. */
export function exitCodeOf(status: string): number {
  if (status === 'succeeded') return EXIT.succeeded;
  if (status === 'cancelled') return EXIT.cancelled;
  if (status === 'paused' || status === 'awaiting-approval') return EXIT.needsPerson;
  return EXIT.failed;
}
