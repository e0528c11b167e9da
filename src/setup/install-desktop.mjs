// Installs what a screen of this machine's own needs, on Debian and as root: an X server, a window manager, OCR, a few programs.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Program → Debian package. */
export const PROGRAMS = {
  Xvfb: 'xvfb',
  openbox: 'openbox',
  tesseract: 'tesseract-ocr',
  xterm: 'xterm',
  mousepad: 'mousepad',
  pcmanfm: 'pcmanfm',
  xcalc: 'x11-apps',
  setxkbmap: 'x11-xkb-utils',
};
/** Fonts that the programs show their texts with. */
const BESIDES = ['fonts-dejavu-core', 'xfonts-base'];

export const isInstalled = (program) =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

export const missingPrograms = () => Object.keys(PROGRAMS).filter((program) => !isInstalled(program));

/** Why nothing can be installed here, or nothing. */
export function obstacle() {
  if (process.platform !== 'linux' || !isInstalled('apt-get')) return 'this is no Debian';
  return process.getuid() === 0 ? undefined : 'only root may install packages';
}

/** Installs what is missing; throws when that did not work. */
export function installDesktop(report) {
  const missing = missingPrograms();
  if (missing.length === 0) return;
  const why = obstacle();
  const packages = [...new Set(missing.map((program) => PROGRAMS[program])), ...BESIDES];
  if (why) throw new Error(`${why}; install ${packages.join(' ')} yourself`);
  report(`installing ${packages.join(' ')} …`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const run = (...args) => spawnSync('apt-get', ['-qq', ...args], { env, stdio: ['ignore', 'ignore', 2] });
  run('update');
  const { status } = run('install', '-y', '--no-install-recommends', ...packages);
  if (status !== 0) throw new Error(`apt-get could not install ${packages.join(' ')}`);
}
