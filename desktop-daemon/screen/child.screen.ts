import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DESKTOP_ERRORS, type DesktopErrorBody, type DesktopErrorCode } from '#events/desktop.js';
import { inherited } from '../environment.js';
import { DeskError } from '../errors.js';
import type { FromScreen, ScreenCall, ToScreen } from './rpc.js';
import type { Button, PersonSign, Screen, ScreenState } from './screen.js';

export interface ChildScreenSettings {
  readonly display: string | undefined;
  /** Chord that stops everything, e.g. `ctrl+alt+shift+s`. */
  readonly hotkey: string;
  readonly report: (line: string) => void;
}

/** A screen in a process of its own. */
export interface ChildScreen extends Screen {
  /** Whether there is a screen; starts its process if it does not run. */
  readonly state: () => Promise<ScreenState>;
  readonly pid: () => number | undefined;
}

/** Small heaps: what is large here are pictures, and those lie outside of them. */
const NODE_FLAGS = [
  '--expose-gc',
  '--max-semi-space-size=1',
  '--max-old-space-size=64',
  '--optimize-for-size',
];
const START_MS = 20_000;
const CLOSE_MS = 2_000;

/** Starts the screen process when it is needed, and again when it has died. What was held down then is let go first. */
export function createChildScreen(settings: ChildScreenSettings): ChildScreen {
  const listeners = new Set<(sign: PersonSign) => void>();
  const heldKeys = new Set<string>();
  const heldButtons = new Set<Button>();
  let running: Promise<Running> | undefined;
  let left: { keys: string[]; buttons: Button[] } | undefined;
  let closed = false;
  let pid: number | undefined;

  async function start(): Promise<Running> {
    const started = await startProcess(settings, (sign) => {
      for (const listener of listeners) listener(sign);
    });
    pid = started.pid;
    started.onExit(() => {
      running = undefined;
      pid = undefined;
      if (closed) return;
      settings.report('the screen process has died; it is started again with the next action');
      left = { keys: [...heldKeys], buttons: [...heldButtons] };
    });
    if (left) {
      const { keys, buttons } = left;
      left = undefined;
      for (const button of buttons) await started.call('release', [button]);
      if (keys.length > 0) await started.call('releaseKeys', [keys]);
      heldKeys.clear();
      heldButtons.clear();
    }
    return started;
  }

  function ensure(): Promise<Running> {
    if (closed) return Promise.reject(new DeskError('canceled', 'the daemon is stopping'));
    running ??= start().catch((error: unknown) => {
      running = undefined;
      throw error;
    });
    return running;
  }
  const call = async <T>(name: ScreenCall, args: readonly unknown[], signal?: AbortSignal): Promise<T> =>
    (await ensure()).call(name, args, signal) as Promise<T>;

  return {
    state: async () => {
      try {
        return { size: await call('size', []) };
      } catch (error) {
        if (error instanceof DeskError) return { problem: error.body() };
        throw error;
      }
    },
    pid: () => pid,
    size: () => call('size', []),
    displays: () => call('displays', []),
    isLocked: () => call('isLocked', []),
    capture: (capture) => call('capture', [capture]),
    pixelIs: (look) => call('pixelIs', [look]),
    findImage: (look) => call('findImage', [look]),
    cursor: () => call('cursor', []),
    move: (to) => call('move', [to]),
    press: (button) => {
      heldButtons.add(button);
      return call('press', [button]);
    },
    release: async (button) => {
      await call('release', [button]);
      heldButtons.delete(button);
    },
    wheel: (dx, dy) => call('wheel', [dx, dy]),
    pressKeys: (keys) => {
      for (const key of keys) heldKeys.add(key);
      return call('pressKeys', [keys]);
    },
    releaseKeys: async (keys) => {
      await call('releaseKeys', [keys]);
      for (const key of keys) heldKeys.delete(key);
    },
    type: (text, paceMs, signal) => call('type', [text, paceMs], signal),
    readClipboard: () => call('readClipboard', []),
    setClipboard: (text) => call('setClipboard', [text]),
    pasteWith: (text, keys, signal) => call('pasteWith', [text, keys], signal),
    windows: () => call('windows', []),
    focusWindow: (id) => call('focusWindow', [id]),
    moveWindow: (id, to) => call('moveWindow', [id, to]),
    resizeWindow: (id, size) => call('resizeWindow', [id, size]),
    closeWindow: (id) => call('closeWindow', [id]),
    onPerson: (heard) => void listeners.add(heard),
    close: async () => {
      closed = true;
      const started = await running?.catch(() => undefined);
      await started?.close();
    },
  };
}

interface Running {
  readonly pid: number | undefined;
  call(name: ScreenCall, args: readonly unknown[], signal?: AbortSignal): Promise<unknown>;
  onExit(heard: () => void): void;
  close(): Promise<void>;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

async function startProcess(
  { display, hotkey }: ChildScreenSettings,
  onPerson: (sign: PersonSign) => void,
): Promise<Running> {
  const child = fork(fileURLToPath(new URL('./child.js', import.meta.url)), [display ?? '', hotkey], {
    serialization: 'advanced',
    execArgv: NODE_FLAGS,
    // Its own words may hold what was typed: nobody keeps them.
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: childEnvironment(display),
  });
  const waiting = new Map<number, Waiting>();
  const first = Promise.withResolvers<void>();
  let ids = 0;
  let problem: DeskError | undefined;
  child.on('message', (message: FromScreen) => {
    if ('ready' in message) first.resolve();
    else if ('problem' in message) first.reject((problem = thrown(message.problem)));
    else if ('person' in message) onPerson(message.person);
    else settle(waiting, message);
  });
  const gone = () => problem ?? new DeskError('screen-crashed', 'the screen process has died', false);
  child.once('exit', () => {
    first.reject(gone());
    for (const waiter of waiting.values()) waiter.reject(gone());
    waiting.clear();
  });
  child.on('error', () => first.reject(gone()));
  const late = setTimeout(
    () => first.reject(new DeskError('screen-crashed', 'the screen process did not come up')),
    START_MS,
  );
  try {
    await first.promise;
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  } finally {
    clearTimeout(late);
  }
  const send = (message: ToScreen): void => void (child.connected && child.send(message));
  return {
    pid: child.pid,
    call: (name, args, signal) => callChild({ child, waiting, send }, ++ids, name, args, signal),
    onExit: (heard) => void child.once('exit', heard),
    close: () => closeChild(child, send),
  };
}

function settle(waiting: Map<number, Waiting>, message: Extract<FromScreen, { id: number }>): void {
  const waiter = waiting.get(message.id);
  waiting.delete(message.id);
  if ('error' in message) waiter?.reject(thrown(message.error));
  else waiter?.resolve(message.value);
}

interface Line {
  readonly child: ChildProcess;
  readonly waiting: Map<number, Waiting>;
  readonly send: (message: ToScreen) => void;
}

function callChild(
  { child, waiting, send }: Line,
  id: number,
  call: ScreenCall,
  args: readonly unknown[],
  signal: AbortSignal | undefined,
): Promise<unknown> {
  signal?.throwIfAborted();
  if (!child.connected) return Promise.reject(new DeskError('screen-crashed', 'the screen process has died'));
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const abort = () => send({ abort: id });
  signal?.addEventListener('abort', abort, { once: true });
  waiting.set(id, { resolve, reject });
  send({ id, call, args });
  return promise.finally(() => signal?.removeEventListener('abort', abort));
}

function closeChild(child: ChildProcess, send: (message: ToScreen) => void): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const kill = setTimeout(() => child.kill('SIGKILL'), CLOSE_MS);
    child.once('exit', () => {
      clearTimeout(kill);
      resolve();
    });
    send({ close: true });
  });
}

const thrown = ({ code, message, untouched, typed }: DesktopErrorBody): DeskError =>
  new DeskError(code in DESKTOP_ERRORS ? (code as DesktopErrorCode) : 'fault', message, untouched, typed);

/** The variables that an X client needs, and nothing that a daemon may know besides. */
const childEnvironment = (display: string | undefined): NodeJS.ProcessEnv => ({
  ...inherited([
    'PATH',
    'HOME',
    'XAUTHORITY',
    'LANG',
    'LC_ALL',
    'LC_CTYPE',
    'TMPDIR',
    'XDG_RUNTIME_DIR',
    'SystemRoot',
  ]),
  ...(display !== undefined && { DISPLAY: display }),
  // Pictures of a screen are given back to the system at once, and not kept for later.
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
});
