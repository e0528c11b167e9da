import { Agent, fetch } from 'undici';
import type { DesktopControl } from '#events/desktop.js';
import { desktopControlSchema } from '#events/desktop.js';
import { answerOf, controlOf, DesktopUnreachableError, infoOf, type DesktopLink } from './link.js';

export interface HttpLinkSettings {
  readonly name: string;
  readonly url: string;
  readonly token: string;
  readonly own: boolean;
}

const CONTROL_MS = 5_000;
const RECONNECT_MS = 500;
/** An action may wait for longer than HTTP clients do by themselves. */
const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0 });

/** A daemon over HTTP. */
export function createHttpLink({ name, url, token, own }: HttpLinkSettings): DesktopLink {
  const closed = new AbortController();
  const headers = { authorization: `Bearer ${token}` };

  /** `unwanted` says that nobody waits for the answer; any other end is a desktop that cannot be reached. */
  async function ask(
    path: string,
    body: object | undefined,
    signal: AbortSignal,
    unwanted: AbortSignal = closed.signal,
  ): Promise<unknown> {
    const request = body && { method: 'POST', body: JSON.stringify(body) };
    const sent = { ...headers, ...(body && { 'content-type': 'application/json' }) };
    try {
      const response = await fetch(new URL(path, url), { ...request, headers: sent, signal, dispatcher });
      return await response.json();
    } catch (error) {
      if (unwanted.aborted) throw unwanted.reason as Error;
      throw new DesktopUnreachableError(name, !isRefusedConnection(error));
    }
  }
  const soon = () => AbortSignal.any([closed.signal, AbortSignal.timeout(CONTROL_MS)]);

  return {
    name,
    own,
    info: async () => infoOf(name, await ask('/v1/info', undefined, soon())),
    act: async (command, signal) => {
      // Hanging up stops it at the desktop as well.
      const stop = AbortSignal.any([signal, closed.signal]);
      return answerOf(name, await ask('/v1/actions', command, stop, stop));
    },
    cancel: async (id) => void (await ask('/v1/cancel', { id }, soon()).catch(() => undefined)),
    control: async (command) => controlOf(name, await ask('/v1/control', command, soon())),
    onControl: (heard) => {
      const stop = new AbortController();
      void follow(new URL('/v1/events', url), headers, AbortSignal.any([stop.signal, closed.signal]), heard);
      return () => stop.abort();
    },
    close: () => {
      closed.abort(new DesktopUnreachableError(name, false));
      return Promise.resolve();
    },
  };
}

/** Nobody was listening: nothing was asked. */
const isRefusedConnection = (error: unknown): boolean =>
  ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === 'ECONNREFUSED';

/** Follows the daemon's server-sent events until it is to stop; a stream that breaks is opened again. */
async function follow(
  url: URL,
  headers: Record<string, string>,
  signal: AbortSignal,
  heard: (control: DesktopControl) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const response = await fetch(url, { headers, signal, dispatcher });
      let rest = '';
      const decoder = new TextDecoder();
      for await (const chunk of response.body!) {
        const events = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n\n');
        rest = events.pop()!;
        for (const event of events) tell(event, heard);
      }
    } catch {
      // It is gone, or it is to stop.
    }
    await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS).unref());
  }
}

function tell(event: string, heard: (control: DesktopControl) => void): void {
  const [, data] = /^data: (.*)$/m.exec(event) ?? [];
  const parsed = data === undefined ? undefined : desktopControlSchema.safeParse(JSON.parse(data));
  if (parsed?.success) heard(parsed.data);
}
