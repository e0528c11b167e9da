import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, ConsoleMessage } from 'playwright-core';
import type { Script } from './script.js';
import { within } from './within.js';
import { recordVideo, type VideoRecording } from './video.js';

/** What is recorded of a step, because its mission asks for it. Kept as artifacts of the step. */
export interface Recording {
  stop(): Promise<void>;
}

const HAR_MS = 20_000;
const MOST_CONSOLE_LINES = 10_000;

export async function startRecording(script: Script): Promise<Recording> {
  const wanted = new Set(script.task.mission.metadata.record ?? []);
  const har = wanted.has('har') ? await startHar(script.session.context) : undefined;
  const video = wanted.has('video') ? await recordVideo(script.page) : undefined;
  const lines: string[] = [];
  const onConsole = (message: ConsoleMessage) => {
    if (lines.length < MOST_CONSOLE_LINES) lines.push(`[${message.type()}] ${message.text()}`);
  };
  if (wanted.has('console')) script.session.context.on('console', onConsole);
  let stopped = false;
  return {
    stop: async () => {
      if (stopped) return;
      stopped = true;
      script.session.context.off('console', onConsole);
      if (wanted.has('console')) await keep(script, 'console', `${lines.join('\n')}\n`, 'text/plain', 'log');
      await keepHar(script, har);
      await keepVideo(script, video);
    },
  };
}

async function keepHar(script: Script, har: SharedHar | undefined): Promise<void> {
  const bytes = await har?.leave();
  if (bytes) await keep(script, 'har', bytes, 'application/json', 'har');
}

async function keepVideo(script: Script, video: VideoRecording | undefined): Promise<void> {
  const bytes = await video?.stop();
  if (bytes) await keep(script, 'video', bytes, 'video/webm', 'webm');
}

async function keep(
  { task, artifacts }: Script,
  type: 'har' | 'console' | 'video',
  data: string | Uint8Array,
  mediaType: string,
  extension: string,
): Promise<void> {
  artifacts.push(await task.files.keep(data, { type, mediaType, extension }));
}

/** The traffic of a whole browser context: steps that run side by side share it, and the last one to end keeps it. */
interface SharedHar {
  leave(): Promise<Uint8Array | undefined>;
}

interface OpenHar {
  users: number;
  readonly folder: string;
  readonly file: string;
}
const openHars = new WeakMap<BrowserContext, Promise<OpenHar>>();

async function startHar(context: BrowserContext): Promise<SharedHar> {
  const opening = openHars.get(context) ?? beginHar(context);
  openHars.set(context, opening);
  const har = await opening;
  har.users++;
  return {
    leave: async () => {
      if (--har.users > 0) return undefined;
      openHars.delete(context);
      try {
        await within(HAR_MS, context.tracing.stopHar());
        return await readFile(har.file);
      } finally {
        await rm(har.folder, { recursive: true, force: true });
      }
    },
  };
}

async function beginHar(context: BrowserContext): Promise<OpenHar> {
  const folder = await mkdtemp(join(tmpdir(), 'skyagent-har-'));
  const file = join(folder, 'step.har');
  await context.tracing.startHar(file, { content: 'embed' });
  return { users: 0, folder, file };
}
