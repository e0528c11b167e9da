import type { DesktopInfo } from '#events/desktop.js';
import { createApps } from './apps.js';
import { createWorkplace, type Workplace } from './desk.js';
import { createFolders } from './folders.js';
import { createOcr } from './ocr.js';
import type { Screen, ScreenState } from './screen/screen.js';
import type { Settings } from './settings.js';

export const VERSION = '0.1.0';

/** A desktop that can be asked, whichever way the question comes in. */
export interface Daemon {
  readonly workplace: Workplace;
  info(): Promise<DesktopInfo>;
  close(): Promise<void>;
}

export function createDaemon(
  settings: Settings,
  screen: Screen & { readonly state: () => Promise<ScreenState> },
  report: (line: string) => void,
): Daemon {
  const { name, labels, display, leaseMs, quietMs } = settings;
  const apps = createApps(settings.apps, display);
  const ocr = createOcr();
  const workplace = createWorkplace({
    screen,
    apps,
    folders: createFolders(settings.folders),
    ocr,
    report,
    leaseMs,
    quietMs,
  });
  return {
    workplace,
    info: async () => {
      const state = await workplace.screen();
      return {
        name,
        labels,
        version: VERSION,
        platform: process.platform,
        ...('size' in state ? { screen: state.size } : { problem: state.problem }),
        apps: [...apps.names],
        ocr: await ocr.isAvailable(),
        control: workplace.current(),
      };
    },
    close: () => workplace.close(),
  };
}
