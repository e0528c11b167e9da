import { access, constants, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Browser } from 'playwright-core';
import { environmentOf, presetEnvironment, searchPath } from '../../config.js';
import { fail } from '../../failures/failures.js';

export interface ChromiumSettings {
  readonly home: string;
  /** A browser to use instead of the ones found. */
  readonly executable?: string | undefined;
}

/** A browser that can be started: the program, what it is called in reports, and the environment it needs. */
interface Candidate {
  readonly name: string;
  readonly executable: string;
  readonly env: Record<string, string>;
  readonly args: readonly string[];
}

const SYSTEM_NAMES = ['google-chrome', 'google-chrome-stable', 'chromium', 'chromium-browser'];
const SYSTEM_PATHS = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];
/**
 * No calls home and no GPU. Nothing goes out but through the proxy of a context: no name is resolved by the browser itself
 * (a prefetch would tell it to a name server), and WebRTC sends nothing past a proxy.
 */
const QUIET_ARGS = [
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
  '--force-webrtc-ip-handling-policy=disable_non_proxied_udp',
  '--webrtc-ip-handling-policy=disable_non_proxied_udp',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Starts a headless Chromium: the one configured, else the one npm brought, else the system's. */
export async function launchChromium(
  settings: ChromiumSettings,
): Promise<{ browser: Browser; name: string }> {
  const tried: string[] = [];
  for await (const candidate of candidates(settings)) {
    try {
      return { browser: await launchTwice(candidate), name: candidate.name };
    } catch (error) {
      tried.push(`${candidate.name}: ${firstLine(error)}`);
    }
  }
  const how = tried.length > 0 ? tried.join('; ') : 'none was found';
  throw fail('no-browser', `no Chromium could be started: ${how}`);
}

/** Chromium sometimes dies of a SIGSEGV while it starts; the next start is fine. One that cannot run at all is not tried again. */
const launchTwice = (candidate: Candidate): Promise<Browser> =>
  launch(candidate).catch((error: unknown) => {
    if (/has been closed/.test(firstLine(error))) return launch(candidate);
    throw error;
  });

/** Playwright is loaded with the first browser: a server that opens no page does not carry it. */
async function launch(candidate: Candidate): Promise<Browser> {
  const { chromium } = await import('playwright-core');
  return chromium.launch({
    executablePath: candidate.executable,
    headless: true,
    args: [...QUIET_ARGS, ...candidate.args],
    chromiumSandbox: isSandboxed(),
    env: { ...environmentOf(INHERITED), ...candidate.env },
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
}

/** Chromium runs as root only without its sandbox (`--no-sandbox`): root has no user namespaces to make one of. */
export const isSandboxed = (): boolean => process.getuid?.() !== 0;

/** A browser gets no setting or key of ours through its environment. */
const INHERITED = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'TZ', 'FONTCONFIG_PATH'];

async function* candidates(settings: ChromiumSettings): AsyncGenerator<Candidate> {
  if (settings.executable !== undefined) {
    yield { name: settings.executable, executable: settings.executable, env: {}, args: [] };
    return;
  }
  const bundled = await bundledChromium();
  if (bundled) yield bundled;
  for (const executable of await systemBrowsers()) yield { name: executable, executable, env: {}, args: [] };
}

/**
 * The Chromium that comes in `@sparticuz/chromium`. It decides at import, by this variable, to unpack the shared
 * libraries it carries too, without which it does not start on a bare Debian.
 */
async function bundledChromium(): Promise<Candidate | undefined> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  presetEnvironment('AWS_EXECUTION_ENV', 'AWS_Lambda_nodejs22.x');
  try {
    await mkdir(tmpdir(), { recursive: true });
    const { default: packed } = await import('@sparticuz/chromium');
    const executable = await packed.executablePath();
    const own = environmentOf(['LD_LIBRARY_PATH']).LD_LIBRARY_PATH;
    const libraries = [join(tmpdir(), 'al2023', 'lib'), own].filter(Boolean).join(delimiter);
    return {
      name: 'the bundled Chromium',
      executable,
      env: { LD_LIBRARY_PATH: libraries },
      args: BUNDLED_ARGS,
    };
  } catch {
    return undefined;
  }
}
const BUNDLED_ARGS = ['--no-zygote', '--in-process-gpu', '--use-angle=swiftshader'];

async function systemBrowsers(): Promise<string[]> {
  const paths = [
    ...searchPath().flatMap((folder) => SYSTEM_NAMES.map((name) => join(folder, name))),
    ...SYSTEM_PATHS,
  ];
  const usable = await Promise.all(
    paths.map((path) =>
      access(path, constants.X_OK).then(
        () => [path],
        () => [],
      ),
    ),
  );
  return usable.flat();
}

const firstLine = (error: unknown): string => (error as Error).message.split('\n')[0]!;
