import {
  createActor,
  type AnyActorScope,
  type AnyStateMachine,
  type EventFromLogic,
  type InputFrom,
  type SnapshotFrom,
} from 'xstate';
import { IllegalTransitionError } from './errors.js';

/** The state a machine is born in. Nothing is started: entry actions are data that nobody runs. */
export function begin<M extends AnyStateMachine>(machine: M, input: InputFrom<M>): SnapshotFrom<M> {
  const snapshot = machine.getInitialSnapshot(inertScopeOf(machine), input) as SnapshotFrom<M>;
  return sound(snapshot, 'the first event');
}

/** `(snapshot, event) → snapshot`, pure. XState ignores an event nobody handles; a stored one must not be ignored. */
export function evolve<M extends AnyStateMachine>(
  machine: M,
  snapshot: SnapshotFrom<M>,
  event: EventFromLogic<M>,
): SnapshotFrom<M> {
  const next = tryEvolve(machine, snapshot, event);
  if (!next) throw new IllegalTransitionError(event.type, stateOf(snapshot));
  return next;
}

/** The snapshot after an event; nothing, when the machine does not handle it: XState then answers the very same object. */
export function tryEvolve<M extends AnyStateMachine>(
  machine: M,
  snapshot: SnapshotFrom<M>,
  event: EventFromLogic<M>,
): SnapshotFrom<M> | undefined {
  try {
    const next = machine.transition(snapshot, event, inertScopeOf(machine)) as SnapshotFrom<M>;
    return next === snapshot ? undefined : next;
  } catch (cause) {
    throw new IllegalTransitionError(event.type, stateOf(snapshot), { cause });
  }
}

/**
 * The scope XState wants for a transition, made once for each machine: its own `transition()` builds an actor for every
 * call, which costs more than the transition itself. Whoever tries to act in it gets an error, so a transition cannot.
 */
function inertScopeOf(machine: AnyStateMachine): AnyActorScope {
  const known = inertScopes.get(machine);
  if (known) return known;
  const refuse = (what: string) => () => {
    throw new TypeError(`a machine must not ${what}: effects follow from its state`);
  };
  const self = createActor(machine);
  const scope: AnyActorScope = {
    self,
    id: '',
    sessionId: '',
    system: self.system,
    logger: refuse('log'),
    defer: refuse('defer'),
    emit: refuse('emit'),
    stopChild: refuse('stop an actor'),
    actionExecutor: refuse('run an action'),
  };
  inertScopes.set(machine, scope);
  return scope;
}
const inertScopes = new WeakMap<AnyStateMachine, AnyActorScope>();

/** Whether the machine handles this event in this state, guards included. */
export const accepts = <E>(snapshot: { can(event: E): boolean }, event: E): boolean => snapshot.can(event);

/** Folds a whole history. */
export const replay = <M extends AnyStateMachine>(
  machine: M,
  snapshot: SnapshotFrom<M>,
  events: Iterable<EventFromLogic<M>>,
): SnapshotFrom<M> => {
  let folded = snapshot;
  for (const event of events) folded = evolve(machine, folded, event);
  return folded;
};

/** A snapshot as JSON. */
export const freeze = <M extends AnyStateMachine>(machine: M, snapshot: SnapshotFrom<M>): unknown =>
  JSON.parse(JSON.stringify(machine.getPersistedSnapshot(snapshot)));

/** JSON back to a snapshot, through an actor that is never started, so that nothing runs. */
export function thaw<M extends AnyStateMachine>(machine: M, frozen: unknown): SnapshotFrom<M> {
  const actor = createActor(machine, { snapshot: frozen } as never);
  return sound(actor.getSnapshot(), 'a stored snapshot');
}

/** Where a machine is, in words: `active.executing`. */
export function stateOf(snapshot: { readonly value: unknown }): string {
  const { value } = snapshot;
  if (typeof value === 'string') return value;
  const [[key, inner] = ['', '']] = Object.entries(value as Record<string, unknown>);
  return `${key}.${stateOf({ value: inner })}`;
}

/** `transition` throws what a guard or an assign throws; at birth and at a thaw XState answers `status: 'error'` instead. */
function sound<S extends { readonly status: string; readonly error: unknown; readonly value: unknown }>(
  snapshot: S,
  event: string,
): S {
  if (snapshot.status === 'error') {
    const state = snapshot.value === undefined ? 'none' : stateOf(snapshot);
    throw new IllegalTransitionError(event, state, { cause: snapshot.error });
  }
  return snapshot;
}
