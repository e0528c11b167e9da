import { randomUUID } from 'node:crypto';
import { READ_ONLY_DESKTOP_ACTIONS } from '#events/actions/desktop.js';
import type { Artifact } from '#events/shapes.js';
import type { DesktopImage } from '#events/desktop.js';
import type { DesktopScript } from './script.js';

const PICTURE_MS = 10_000;

/** A picture of the whole screen, kept as a PNG under its digest; nothing, when there is none to be had. */
export async function takePicture(script: DesktopScript): Promise<Artifact | undefined> {
  const { seat, task } = script;
  const signal = AbortSignal.any([task.signal, AbortSignal.timeout(PICTURE_MS)]);
  const answer = await seat.link
    .act({ v: 1, id: randomUUID(), action: { screenshot: {} } }, signal)
    .catch(() => undefined);
  return answer?.ok && answer.image ? keepImage(script, answer.image) : undefined;
}

/** Keeps a picture that came with an answer. */
export async function keepImage(
  { task, artifacts }: Pick<DesktopScript, 'task' | 'artifacts'>,
  { mediaType, data }: DesktopImage,
): Promise<Artifact> {
  const extension = mediaType === 'image/png' ? 'png' : 'jpg';
  const artifact = await task.files.keep(Buffer.from(data, 'base64'), {
    type: 'screenshot',
    mediaType,
    extension,
  });
  if (!artifacts.some(({ path }) => path === artifact.path)) artifacts.push(artifact);
  return artifact;
}

/** Whether the mission wants pictures before and after an action. */
export function wantsPictures({ task }: DesktopScript, action: string): boolean {
  const policy = task.mission.metadata.screenshots ?? 'failures';
  return policy === 'all' || (policy === 'changes' && !READ_ONLY_DESKTOP_ACTIONS.has(action));
}

export const wantsPictureOfFailure = ({ task }: DesktopScript): boolean =>
  (task.mission.metadata.screenshots ?? 'failures') !== 'none';
