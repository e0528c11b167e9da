import { extname } from 'node:path';
import type { Artifact } from '#events/shapes.js';
import type { StepTask } from '../../driver.js';
import { fail } from '../../../failures/failures.js';
import { blockedReason } from '../egress.js';
import type { SkyvernDeps } from './skyvern.driver.js';
import type { SkyvernRun } from './skyvern.client.js';

const MOST_FILES = 50;
const MOST_SCREENSHOTS = 10;
const MOST_BYTES = 100 * 1024 * 1024;

export interface Kept {
  readonly artifacts: Artifact[];
  readonly downloads: { path: string; digest: string; bytes: number; filename: string }[];
}

interface Wanted {
  readonly url: string;
  readonly type: Artifact['type'];
  readonly mediaType: string;
  readonly extension: string;
  readonly filename?: string;
}

/** Copies what a run left into the run's folder, by digest: Skyvern's addresses of it expire. */
export async function keepFiles(
  { client, allowHosts }: Pick<SkyvernDeps, 'client' | 'allowHosts'>,
  task: StepTask,
  run: SkyvernRun,
): Promise<Kept> {
  const kept: Kept = { artifacts: [], downloads: [] };
  for (const wanted of wantedOf(run)) {
    const { type, mediaType, extension, filename } = wanted;
    // An address from outside: it must not lead into the own network, except to Skyvern itself.
    if (await blockedReason(client.addressOf(wanted.url), { allowHosts })) {
      if (type === 'download')
        throw fail('skyvern-failed', 'a downloaded file lies where it may not be fetched from');
      continue;
    }
    const bytes = await fetched(client, task, wanted);
    if (!bytes) continue;
    const artifact = await task.files.keep(bytes, { type, mediaType, extension });
    kept.artifacts.push(artifact);
    const { path, digest } = artifact;
    if (filename !== undefined) kept.downloads.push({ path, digest, bytes: artifact.bytes, filename });
  }
  return kept;
}

/** A downloaded file belongs to the result, and without it there is none; a picture that is gone spoils nothing. */
async function fetched(
  client: SkyvernDeps['client'],
  { signal }: StepTask,
  { url, type }: Wanted,
): Promise<Uint8Array | undefined> {
  try {
    return await client.fetchFile(url, MOST_BYTES, signal);
  } catch (error) {
    if (signal.aborted || type === 'download') throw error;
    return undefined;
  }
}

function wantedOf({ recording_url, screenshot_urls, downloaded_files }: SkyvernRun): Wanted[] {
  const downloads = (downloaded_files ?? []).slice(0, MOST_FILES).map(({ url, filename }): Wanted => {
    const name = filename ?? 'download';
    return {
      url,
      type: 'download',
      mediaType: 'application/octet-stream',
      extension: /^\.([A-Za-z0-9]{1,10})$/.exec(extname(name))?.[1]?.toLowerCase() ?? 'bin',
      filename: name,
    };
  });
  const pictures = (screenshot_urls ?? [])
    .slice(0, MOST_SCREENSHOTS)
    .map((url): Wanted => ({ url, type: 'screenshot', mediaType: 'image/png', extension: 'png' }));
  const recording: Wanted[] = recording_url
    ? [{ url: recording_url, type: 'video', mediaType: 'video/webm', extension: 'webm' }]
    : [];
  return [...downloads, ...pictures, ...recording];
}
