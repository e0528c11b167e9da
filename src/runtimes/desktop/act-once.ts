import { randomUUID } from 'node:crypto';
import { isAbsolute, join, relative } from 'node:path';
import type { DesktopAction } from '#events/actions/desktop.js';
import type { DesktopAnswer, DesktopCommand, DesktopImage } from '#events/desktop.js';
import { fail } from '../../failures/failures.js';
import { DesktopUnreachableError } from './link.js';
import type { DesktopScript } from './script.js';

/** Actions that go on for longer than a moment: a pause does not wait for them. */
const CUTTABLE: ReadonlySet<string> = new Set(['type', 'wait', 'hold', 'drag', 'readText', 'files']);
/** What a desktop that was asked to stop gets for saying so. */
const STOP_MS = 2_000;

/** Has the desktop do one action, and answers what it said. A pause stops what takes long; an abort hangs up. */
export async function actOnce(script: DesktopScript, action: DesktopAction): Promise<DesktopAnswer> {
  const { task, seat, frame } = script;
  const id = randomUUID();
  const command = await commandOf(script, allowed(script, action));
  const hangUp = new AbortController();
  const onPause = () =>
    void seat.link.cancel(id).finally(() => setTimeout(() => hangUp.abort(), STOP_MS).unref());
  if (CUTTABLE.has(action.name)) task.pausing.addEventListener('abort', onPause, { once: true });
  try {
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

/** What a mission may not do on this process's own desktop is refused here; other desktops refuse for themselves. */
function allowed({ seat, rules, task }: DesktopScript, action: DesktopAction): DesktopAction {
  if (!seat.link.own) return action;
  const { metadata } = task.mission;
  const apps = new Set([...rules.apps.map((app) => app.split('=')[0]!), ...(metadata.allowApps ?? [])]);
  const refuseApp = (app: string) => {
    if (!apps.has(app)) throw fail('app-not-allowed', `${JSON.stringify(app)} may not be started`);
  };
  if (action.name === 'launch') refuseApp(action.args.app);
  if (action.name === 'openFile') {
    if (action.args.app === undefined)
      throw fail('app-not-allowed', 'say which application is to open the file');
    refuseApp(action.args.app);
  }
  if (action.name !== 'openFile' && action.name !== 'files') return action;
  const path = isAbsolute(action.args.path) ? action.args.path : join(task.files.folder, action.args.path);
  refusePath(
    path,
    [task.files.folder, ...rules.folders, ...(metadata.allowFolders ?? [])],
    rules.agentFsRoot,
    task.files.folder,
  );
  return action.name === 'files'
    ? { name: 'files', args: { ...action.args, path } }
    : { name: 'openFile', args: { ...action.args, path } };
}

/** A run looks into its own folder, and into those that were allowed; never into another run's. */
function refusePath(path: string, roots: readonly string[], agentFsRoot: string, own: string): void {
  const ofOthers = isBelow(agentFsRoot, path) && !isBelow(own, path);
  if (!ofOthers && roots.some((root) => isBelow(root, path))) return;
  throw fail('folder-not-allowed', 'the path is outside of what this mission may use');
}

const isBelow = (root: string, path: string): boolean => {
  const way = relative(root, path);
  return way === '' || (!way.startsWith('..') && !isAbsolute(way));
};

async function commandOf({ task }: DesktopScript, { name, args }: DesktopAction): Promise<DesktopCommand> {
  const action = { [name]: args } as DesktopCommand['action'];
  const path = name === 'wait' ? args.image?.path : undefined;
  if (path === undefined) return { v: 1, action };
  return { v: 1, action, image: Buffer.from(await task.files.read(path)).toString('base64') };
}

/** The bytes of a picture that came with an answer. */
export const bytesOf = ({ data }: DesktopImage): Buffer => Buffer.from(data, 'base64');
