import { createClient, type XClient, type XDisplay } from 'x11';

/** A connection to an X server. It is pure JavaScript: a display that is not there is an error, and no crash. */
export interface XConnection {
  readonly client: XClient;
  readonly root: number;
  readonly size: { readonly width: number; readonly height: number };
  readonly keyCodes: { readonly first: number; readonly last: number };
  /** What a request is answered with. */
  ask<T>(request: (client: XClient, answer: (error: Error | null, value: T) => void) => void): Promise<T>;
  extension<T>(name: string): Promise<T | undefined>;
  atom(name: string): Promise<number>;
  /** Resolves when the server has done all that was sent to it. */
  sync(): Promise<void>;
  /** Called when the server goes away. */
  onEnd(heard: () => void): void;
  close(): void;
}

const CONNECT_MS = 5_000;

export async function connectToX(display: string): Promise<XConnection> {
  const found = await connect(display);
  const { client } = found;
  const [screen] = found.screen;
  if (!screen) throw new Error('the X server has no screen');
  // Requests about windows that are gone by now are answered to whoever asked; the rest of the errors say nothing new.
  client.on('error', () => undefined);
  const atoms = new Map<string, Promise<number>>();
  const ask: XConnection['ask'] = (request) =>
    new Promise((resolve, reject) => {
      request(client, (error, value) => (error ? reject(asError(error)) : resolve(value)));
    });
  return {
    client,
    root: screen.root,
    size: { width: screen.pixel_width, height: screen.pixel_height },
    keyCodes: { first: found.min_keycode, last: found.max_keycode },
    ask,
    extension: <T>(name: string) => ask<T>((x, answer) => x.require(name, answer)).catch(() => undefined),
    atom: (name) => {
      const known = atoms.get(name) ?? ask<number>((x, answer) => x.InternAtom(false, name, answer));
      atoms.set(name, known);
      return known;
    },
    sync: async () => void (await ask<unknown>((x, answer) => x.GetInputFocus(answer))),
    onEnd: (heard) => void client.on('end', heard),
    close: () => client.terminate(),
  };
}

function connect(display: string): Promise<XDisplay> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('the X server does not answer')), CONNECT_MS);
    const settle = (error: Error | undefined, found?: XDisplay): void => {
      clearTimeout(late);
      if (error) reject(error);
      else resolve(found!);
    };
    try {
      createClient({ display }, settle).on('error', (error: unknown) => settle(asError(error)));
    } catch (error) {
      settle(asError(error));
    }
  });
}

const asError = (error: unknown): Error =>
  error instanceof Error ? error : new Error(`X error ${JSON.stringify(error)}`);
