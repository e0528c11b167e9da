import { realpath } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import type { DesktopAction } from '#events/actions/desktop.js';
import { fail } from '../../failures/failures.js';
import type { DesktopScript } from './script.js';

/** What a mission may not do on this process's own desktop is refused here; other desktops refuse for themselves. */
export async function allowed(script: DesktopScript, action: DesktopAction): Promise<DesktopAction> {
  if (!script.seat.link.own) return action;
  switch (action.name) {
    case 'launch':
      refuseApp(script, action.args.app);
      for (const path of pathsIn(action.args.args ?? [])) await refusePath(script, path);
      return action;
    case 'openFile':
      if (action.args.app === undefined)
        throw fail('app-not-allowed', 'say which application is to open the file');
      refuseApp(script, action.args.app);
      return { name: 'openFile', args: { ...action.args, path: await refusePath(script, action.args.path) } };
    case 'files':
      return { name: 'files', args: { ...action.args, path: await refusePath(script, action.args.path) } };
    default:
      return action;
  }
}

/** The arguments of a program that lead to a file. */
const pathsIn = (args: readonly string[]): string[] =>
  args.flatMap((arg) => {
    if (/^file:/i.test(arg)) return URL.canParse(arg) ? [fileURLToPath(arg)] : [arg];
    return /[/\\]/.test(arg) && !/^https?:\/\//i.test(arg) ? [arg] : [];
  });

function refuseApp({ rules, task }: DesktopScript, app: string): void {
  const { allowApps = [] } = task.mission.metadata;
  if (rules.apps.some((known) => known.split('=')[0] === app) || allowApps.includes(app)) return;
  throw fail('app-not-allowed', `${JSON.stringify(app)} may not be started`);
}

/** A run looks into its own folder, and into those that were allowed; never into another run's. Links are followed first. */
async function refusePath({ rules, task }: DesktopScript, given: string): Promise<string> {
  const path = isAbsolute(given) ? given : join(task.files.folder, given);
  const [real, own, ofRuns] = await Promise.all([path, task.files.folder, rules.agentFsRoot].map(realOf));
  const allowed = [...rules.folders, ...(task.mission.metadata.allowFolders ?? [])];
  const roots = [own!, ...(await Promise.all(allowed.map(realOf)))];
  const ofOthers = isBelow(ofRuns!, real!) && !isBelow(own!, real!);
  if (!ofOthers && roots.some((root) => isBelow(root, real!))) return real!;
  throw fail('folder-not-allowed', 'the path is outside of what this mission may use');
}

/** Where a path leads; of what is not there, its folder counts. */
async function realOf(path: string): Promise<string> {
  const found = await realpath(path).catch(() => undefined);
  if (found !== undefined || dirname(path) === path) return found ?? path;
  return join(await realOf(dirname(path)), basename(path));
}

const isBelow = (root: string, path: string): boolean => {
  const way = relative(root, path);
  return way === '' || (!way.startsWith('..') && !isAbsolute(way));
};
