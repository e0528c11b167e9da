import { randomUUID } from 'node:crypto';
import type { DesktopAction } from '#events/actions/desktop.js';
import type { DesktopAnswer, DesktopCommand, DesktopImage } from '#events/desktop.js';
import { DesktopUnreachableError } from './link.js';
import { allowed } from './own-rules.js';
import type { DesktopScript } from './script.js';

/** Actions that go on for longer than a moment: a pause does not wait for them. */
const CUTTABLE: ReadonlySet<string> = new Set(['type', 'wait', 'hold', 'drag', 'readText', 'files']);
/** Longest a button may be down before a pause does not wait for it. */
const MOMENT_MS = 200;

const takesLong = ({ name, args }: DesktopAction): boolean =>
  CUTTABLE.has(name) || (name === 'click' && (args.holdMs ?? 0) > MOMENT_MS);

const NOT_SENT: DesktopAnswer = {
  ok: false,
  error: { code: 'canceled', message: 'the run is to rest', hint: '', untouched: true },
};

/** What a desktop that was asked to stop gets for saying so. */
const STOP_MS = 2_000;

/** Has the desktop do one action, and answers what it said. A pause stops what takes long; an abort hangs up. */
export async function actOnce(script: DesktopScript, action: DesktopAction): Promise<DesktopAnswer> {
  const { task, seat, frame } = script;
  const id = randomUUID();
  const command = await commandOf(script, await allowed(script, action));
  const hangUp = new AbortController();
  const onPause = () =>
    void seat.link.cancel(id).finally(() => setTimeout(() => hangUp.abort(), STOP_MS).unref());
  if (takesLong(action)) task.pausing.addEventListener('abort', onPause, { once: true });
  try {
    // What was asked for while the action was made ready: nothing has been sent yet.
    if (task.pausing.aborted) return NOT_SENT;
    const sent = { ...command, id, ...(frame && { frame }), lease: seat.lease };
    return await seat.link.act(sent, AbortSignal.any([task.signal, hangUp.signal]));
  } catch (error) {
    task.signal.throwIfAborted();
    if (hangUp.signal.aborted) throw new DesktopUnreachableError(seat.link.name, true);
    throw error;
  } finally {
    task.pausing.removeEventListener('abort', onPause);
  }
}

async function commandOf({ task }: DesktopScript, { name, args }: DesktopAction): Promise<DesktopCommand> {
  const action = { [name]: args } as DesktopCommand['action'];
  const path = name === 'wait' ? args.image?.path : undefined;
  if (path === undefined) return { v: 1, action };
  return { v: 1, action, image: Buffer.from(await task.files.read(path)).toString('base64') };
}

/** The bytes of a picture that came with an answer. */
export const bytesOf = ({ data }: DesktopImage): Buffer => Buffer.from(data, 'base64');
