import type { OwnerCommand } from '#machines/run/run.decide.js';
import { waitsForQuiet, type Effect } from '#machines/run/run.effects.js';
import { asFailure } from '../effects/effect.js';
import { LetGoError } from '../runtimes/driver.js';

/** The effects of one run that are in the world now. */
export interface RunningEffects {
  readonly size: number;
  /** Starts the wanted effects that are new, and aborts those that are wanted no longer. */
  follow(wanted: readonly Effect[]): void;
  /** Asks those that may not be cut off to come to rest where they can go on later. */
  suspend(): void;
  abortAll(): void;
}

/** `pausing` asks for a stop where the effect can go on later; `signal` ends it. */
export interface EffectSignals {
  readonly signal: AbortSignal;
  readonly pausing: AbortSignal;
}

export interface RunningEffectsDeps {
  perform(effect: Effect, signals: EffectSignals): Promise<OwnerCommand | undefined>;
  /** An effect has ended; without a command, when it was aborted. */
  onEnd(effectId: string, command: OwnerCommand | undefined): void;
  /** An effect threw: a fault of ours, fatal when no step can carry it. */
  onFault(error: unknown, fatal: boolean): void;
}

export function createRunningEffects(deps: RunningEffectsDeps): RunningEffects {
  const running = new Map<string, { stop: AbortController; pause: AbortController }>();

  function start(effect: Effect): void {
    const [stop, pause] = [new AbortController(), new AbortController()];
    running.set(effect.id, { stop, pause });
    deps.perform(effect, { signal: stop.signal, pausing: pause.signal }).then(
      (command) => end(effect, command),
      (error: unknown) => end(effect, crashed(effect, error)),
    );
  }

  function end(effect: Effect, command: OwnerCommand | undefined): void {
    running.delete(effect.id);
    deps.onEnd(effect.id, command);
  }

  return {
    get size() {
      return running.size;
    },
    follow: (wanted) => {
      const ids = new Set(wanted.map((effect) => effect.id));
      for (const [id, { stop }] of running) if (!ids.has(id)) stop.abort();
      for (const effect of wanted) {
        if (!running.has(effect.id) && !(waitsForQuiet(effect) && running.size > 0)) start(effect);
      }
    },
    suspend: () => {
      for (const { pause } of running.values()) pause.abort();
    },
    abortAll: () => {
      const reason = new LetGoError();
      for (const { stop } of running.values()) stop.abort(reason);
    },
  };

  /** An effect that throws is a fault of ours; its step says so instead of hanging. */
  function crashed(effect: Effect, error: unknown): OwnerCommand | undefined {
    const ofStep = 'stepId' in effect;
    deps.onFault(error, !ofStep);
    if (!ofStep) return undefined;
    const { stepId, attempt } = effect;
    return { kind: 'ReportFailure', stepId, attempt, failure: asFailure(error), artifacts: [] };
  }
}
