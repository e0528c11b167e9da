/// <reference lib="dom" />
import { readFile, stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import type { Download, Locator } from 'playwright-core';
import { lookup } from 'mrmime';
import type { Artifact } from '#events/shapes.js';
import { fail } from '../../../failures/failures.js';
import { blockedReason } from '../egress.js';
import { locate } from '../locate.js';
import { bounds, LOAD_TIMEOUT_MS, type Act, type ArgsOf, type Script } from '../script.js';

/** The browser is handed the bytes themselves, and takes no more of them than this. */
const MOST_UPLOADED_BYTES = 50 * 1024 * 1024;
/** A download that names no limit of its own. */
const MOST_DOWNLOADED_BYTES = 100 * 1024 * 1024;

/** Files of the run's folder, read in its jail. */
export const upload: Act<'upload'> = async (script, args) => {
  const paths = [args.files].flat();
  const files = await Promise.all(
    paths.map(async (path) => ({
      name: basename(path),
      // A page may take files of some types alone.
      mimeType: lookup(path) ?? 'application/octet-stream',
      buffer: Buffer.from(await script.task.files.read(path)),
    })),
  );
  const bytes = files.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
  if (bytes > MOST_UPLOADED_BYTES)
    throw fail('too-heavy', `the files have ${bytes} bytes together; ${MOST_UPLOADED_BYTES} can be uploaded`);
  await give(script, await locate(script, args, args), files, args);
};

/** To a field for files; anything else is clicked, and asks for files then. */
async function give(
  script: Script,
  target: Locator,
  files: Parameters<Locator['setInputFiles']>[0],
  args: ArgsOf<'upload'>,
): Promise<void> {
  const limits = bounds(script, args);
  const isField = await target.evaluate(isFileField, undefined, { timeout: limits.timeout });
  if (isField) return target.setInputFiles(files, limits);
  const asking = script.page.waitForEvent('filechooser', limits);
  asking.catch(() => undefined);
  await target.click(limits);
  await (await asking).setFiles(files, limits);
}

/** Runs in the page. A label stands for its field. */
function isFileField(element: Element): boolean {
  const field = element instanceof HTMLLabelElement ? element.control : element;
  return field instanceof HTMLInputElement && field.type === 'file';
}

export const download: Act<'download'> = async (script, args) => {
  const maxBytes = (args.maxBytes as number | undefined) ?? MOST_DOWNLOADED_BYTES;
  const before = script.session.egress.received();
  const started = await begin(script, args);
  const file = await finish(
    script,
    args,
    started,
    () => script.session.egress.received() - before > maxBytes,
  );
  const { size } = await stat(file);
  if (size > maxBytes) throw tooLarge(maxBytes);
  const filename = started.suggestedFilename();
  const artifact = await keep(script, await readFile(file), filename);
  await started.delete().catch(() => undefined);
  const { path, digest, bytes } = artifact;
  script.extracted[args.name ?? 'download'] = { path, digest, bytes, filename };
};

async function begin(script: Script, args: ArgsOf<'download'>): Promise<Download> {
  const limits = bounds(script, args, LOAD_TIMEOUT_MS);
  const coming = script.page.waitForEvent('download', limits);
  // Whoever fails first is told; the other one must not be left without a listener.
  coming.catch(() => undefined);
  if (args.click) await (await locate(script, args.click, args)).click(limits);
  else await ask(script, args.url!, limits);
  return coming.catch((error: unknown) => {
    if (!/Timeout/.test((error as Error).message)) throw error;
    throw fail('no-download', 'what was clicked or opened gave no file');
  });
}

/** A page that turns into a download is given up by the browser: that is how it goes, and no error. */
async function ask(script: Script, url: string, limits: ReturnType<typeof bounds>): Promise<void> {
  const blocked = await blockedReason(url, script.session.rules);
  if (blocked) throw fail('host-blocked', `the file was not asked for: ${blocked}`);
  await script.page.goto(url, limits).catch((error: unknown) => {
    if (!/Download is starting|ERR_ABORTED/.test((error as Error).message)) throw error;
  });
}

/** Waits for the end of a download, and gives it up as soon as more has come in than it may have. */
async function finish(
  script: Script,
  args: ArgsOf<'download'>,
  started: Download,
  tooMuch: () => boolean,
): Promise<string> {
  const limits = bounds(script, args, script.task.step.timeoutMs ?? DOWNLOAD_TIMEOUT_MS);
  const stopped = Promise.withResolvers<never>();
  const stop = (reason: Error) => {
    void started.cancel().catch(() => undefined);
    stopped.reject(reason);
  };
  const onAbort = () => stop(limits.signal.reason as Error);
  limits.signal.addEventListener('abort', onAbort, { once: true });
  const maxBytes = (args.maxBytes as number | undefined) ?? MOST_DOWNLOADED_BYTES;
  const watch = setInterval(() => {
    if (tooMuch()) stop(tooLarge(maxBytes));
  }, 100);
  const timer = setTimeout(() => stop(fail('no-download', 'the file did not come in time')), limits.timeout);
  try {
    return await Promise.race([started.path(), stopped.promise]);
  } finally {
    clearInterval(watch);
    clearTimeout(timer);
    limits.signal.removeEventListener('abort', onAbort);
  }
}
const DOWNLOAD_TIMEOUT_MS = 120_000;

const tooLarge = (maxBytes: number): Error =>
  fail('download-too-large', `the file has more than the ${maxBytes} bytes that the download may have`);

async function keep(script: Script, bytes: Uint8Array, filename: string): Promise<Artifact> {
  const [, extension = 'bin'] = /^\.([A-Za-z0-9]{1,10})$/.exec(extname(filename)) ?? [];
  const artifact = await script.task.files.keep(bytes, {
    type: 'download',
    mediaType: 'application/octet-stream',
    extension: extension.toLowerCase(),
  });
  script.artifacts.push(artifact);
  script.evidence.push({ kind: 'file', path: artifact.path, digest: artifact.digest, bytes: artifact.bytes });
  return artifact;
}
