import { spawnSync } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { environmentOf, type Config } from '../../config.js';
import { packageRoot } from '../../setup/package-root.js';
import { isInstalled, createOwnDesktop } from './own-desktop.js';

const OTHERS = 0o077;
const MAC_ADVICE =
  'allow the terminal under System Settings → Privacy & Security → Accessibility and → Screen & System Audio Recording';

/** What a mission would find of a desktop on this machine: one is started, and looked at. With `fix`, what it needs is installed. */
export async function checkDesktop(config: Config, fix: boolean): Promise<string> {
  await checkToken(config.desktopTokenFile);
  if (fix) install();
  return (await withoutScreen()) ?? look(config);
}

/** Why there is none, without starting anything. A session that cannot be used at all is thrown. */
async function withoutScreen(): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined;
  const { DISPLAY: display, XDG_SESSION_TYPE: session } = environmentOf(['DISPLAY', 'XDG_SESSION_TYPE']);
  if (session === 'wayland')
    throw new Error(
      'this is a Wayland session, which lets no program see the screen or use the mouse; log in with X11 (Xorg), or unset DISPLAY and XDG_SESSION_TYPE for a virtual screen',
    );
  if (display || (await isInstalled('Xvfb'))) return undefined;
  return 'none: there is no display, and no Xvfb to make one; `skyagent doctor --fix` installs it (Debian, as root)';
}

async function look({ home }: Config): Promise<string> {
  const own = createOwnDesktop({ home, apps: [], report: () => undefined });
  try {
    const { screen, problem, ocr } = await (await own.link()).info();
    if (!screen) throw new Error(adviceOf(`${problem?.message}; ${problem?.hint}`));
    const { DISPLAY: display = 'a virtual screen' } = environmentOf(['DISPLAY']);
    const where = process.platform === 'linux' ? display : process.platform;
    return `${where}, ${screen.width}×${screen.height}, ${ocr ? 'with OCR' : 'no OCR (tesseract is not installed)'}`;
  } finally {
    await own.close();
  }
}

const adviceOf = (problem: string): string =>
  process.platform === 'darwin' ? `${problem}; ${MAC_ADVICE}` : problem;

async function checkToken(file: string): Promise<void> {
  const facts = await stat(file).catch(() => undefined);
  if (facts && process.platform !== 'win32' && (facts.mode & OTHERS) !== 0)
    throw new Error(
      `${file}: others can read the token of the daemon; remove the file, and a new one is made`,
    );
}

function install(): void {
  spawnSync(process.execPath, [join(packageRoot, 'src', 'setup', 'provide-desktop.mjs')], {
    stdio: ['ignore', 2, 2],
  });
}
