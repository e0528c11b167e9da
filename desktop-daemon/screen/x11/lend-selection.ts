import type { XEvent } from 'x11';
import { DeskError } from '../../errors.js';
import type { XConnection } from './connection.js';

/** What a program is sent when it asks for a selection. */
interface SelectionRequest extends XEvent {
  readonly time: number;
  readonly requestor: number;
  readonly selection: number;
  readonly target: number;
  readonly property: number;
}

interface Loan {
  readonly text: string;
  readonly selections: readonly ('CLIPBOARD' | 'PRIMARY')[];
  readonly signal: AbortSignal;
}

const SELECTION_REQUEST = 30;
const SELECTION_NOTIFY = 31;
const ATOM = 4;
const STRING = 31;
/** How long a program may take until it comes to ask. */
const ASKED_MS = 10_000;
/** What one request of the X protocol may hold, less its head. */
const MOST_BYTES = 200_000;

/**
 * Has a text in the clipboard until a program has asked for it (ICCCM, section 2): a program that is slow gets it too, and
 * none gets what was there before instead.
 */
export async function lendSelection(
  x: XConnection,
  { text, selections, signal }: Loan,
  press: () => Promise<void>,
): Promise<void> {
  const lent = await Promise.all(selections.map((name) => x.atom(name)));
  const targets = await x.atom('TARGETS');
  const utf8 = await x.atom('UTF8_STRING');
  const plain = await x.atom('text/plain;charset=utf-8');
  const asText = new Set([utf8, plain, STRING, await x.atom('TEXT')]);
  const bytes = Buffer.from(text);
  if (bytes.length > MOST_BYTES)
    throw new DeskError('bad-argument', `what is pasted has ${MOST_BYTES} bytes at most; type it instead`);
  const window = x.client.AllocID();
  x.client.CreateWindow(window, x.root, 0, 0, 1, 1);
  const asked = Promise.withResolvers<void>();

  function answer(request: SelectionRequest): void {
    const { requestor, target } = request;
    // Of old programs that name no property the target is meant.
    const property = request.property || target;
    const known = target === targets || asText.has(target);
    if (target === targets) {
      const list = Buffer.alloc(12);
      [targets, utf8, plain].forEach((atom, index) => list.writeUInt32LE(atom, index * 4));
      x.client.ChangeProperty(0, requestor, property, ATOM, 32, list);
    } else if (known)
      x.client.ChangeProperty(0, requestor, property, target === plain ? plain : utf8, 8, bytes);
    const notify = Buffer.alloc(32);
    notify[0] = SELECTION_NOTIFY;
    notify.writeUInt32LE(request.time, 4);
    notify.writeUInt32LE(requestor, 8);
    notify.writeUInt32LE(request.selection, 12);
    notify.writeUInt32LE(target, 16);
    notify.writeUInt32LE(known ? property : 0, 20);
    x.client.SendEvent(requestor, 0, 0, notify);
    if (asText.has(target)) asked.resolve();
  }
  const onEvent = (event: XEvent): void => {
    if (event.type === SELECTION_REQUEST) answer(event as SelectionRequest);
  };
  x.client.on('event', onEvent);
  const late = setTimeout(
    () => asked.reject(new DeskError('not-seen', 'no program has asked for what was to be pasted', false)),
    ASKED_MS,
  );
  const stop = () => asked.reject(new DeskError('canceled', 'it was asked to stop', false));
  signal.addEventListener('abort', stop, { once: true });
  try {
    for (const selection of lent) x.client.SetSelectionOwner(window, selection);
    await x.sync();
    await press();
    await asked.promise;
    await x.sync();
  } finally {
    clearTimeout(late);
    signal.removeEventListener('abort', stop);
    asked.promise.catch(() => undefined);
    x.client.removeListener('event', onEvent);
    x.client.DestroyWindow(window);
  }
}
