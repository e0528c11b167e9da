/** A stored event that the pinned machine does not accept in the state it was stored in: the history is not sound. */
export class IllegalTransitionError extends Error {
  readonly code = 'illegal-transition';
  constructor(
    readonly event: string,
    readonly state: string,
    options?: ErrorOptions,
  ) {
    super(`event ${event} is not accepted in state ${state}`, options);
    this.name = 'IllegalTransitionError';
  }
}
