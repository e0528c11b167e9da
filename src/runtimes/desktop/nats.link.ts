import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { desktopControlSchema } from '#events/desktop.js';
import { DesktopSilentError, type Desktops } from '../../log/desktops.js';
import {
  answerOf,
  controlOf,
  DesktopRefusedError,
  DesktopUnreachableError,
  infoOf,
  type DesktopLink,
} from './link.js';

const CONTROL_MS = 5_000;
const PULSE_MS = 3_000;
/** An action may wait for ten minutes. */
const ACT_MS = 660_000;
/** What a message of NATS may hold, less what is around it. */
const MOST_BYTES = 900_000;
const eventSchema = z.object({ name: z.string(), control: desktopControlSchema });

/** A daemon that has dialled in. */
export function createNatsLink(desktops: Desktops, name: string): DesktopLink {
  async function ask(...[endpoint, body, how]: Tail<Parameters<Desktops['ask']>>): Promise<unknown> {
    try {
      return await desktops.ask(name, endpoint, body, how);
    } catch (error) {
      if (error instanceof DesktopSilentError) throw new DesktopUnreachableError(name, error.sent);
      throw error;
    }
  }

  const cancel = async (id: string) =>
    void (await ask('cancel', { id }, { timeoutMs: CONTROL_MS }).catch(() => undefined));

  /** NATS does not say that a desktop is gone while it has a question: it is asked for a sign of life meanwhile. */
  function watchPulse(id: string): { lost: AbortSignal; end(): void } {
    const lost = new AbortController();
    const timer = setInterval(() => {
      ask('control', { do: 'look' }, { timeoutMs: CONTROL_MS }).catch(() => {
        void cancel(id);
        lost.abort(new DesktopUnreachableError(name, true));
      });
    }, PULSE_MS);
    return { lost: lost.signal, end: () => clearInterval(timer) };
  }

  return {
    name,
    own: false,
    info: async () => infoOf(name, await ask('info', {}, { timeoutMs: CONTROL_MS })),
    act: async (command, signal) => {
      const id = command.id ?? randomUUID();
      const onAbort = () => void cancel(id);
      signal.addEventListener('abort', onAbort, { once: true });
      const alive = watchPulse(id);
      const asked = { ...command, id };
      if (Buffer.byteLength(JSON.stringify(asked)) > MOST_BYTES)
        throw new DesktopRefusedError({
          code: 'bad-argument',
          message: 'the action is too large to be sent to a desktop that has dialled in',
          hint: 'look for a smaller picture',
          untouched: true,
        });
      try {
        const stop = AbortSignal.any([signal, alive.lost]);
        return answerOf(name, await ask('act', asked, { timeoutMs: ACT_MS, signal: stop }));
      } finally {
        alive.end();
        signal.removeEventListener('abort', onAbort);
      }
    },
    cancel,
    control: async (command) => controlOf(name, await ask('control', command, { timeoutMs: CONTROL_MS })),
    onControl: (heard) =>
      desktops.onEvent((body) => {
        const event = eventSchema.safeParse(body);
        if (event.success && event.data.name === name) heard(event.data.control);
      }),
    close: () => Promise.resolve(),
  };
}

type Tail<T extends readonly unknown[]> = T extends readonly [unknown, ...infer R] ? R : never;
