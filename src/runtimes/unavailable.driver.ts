import { fail } from '../failures/failures.js';
import type { Driver } from './driver.js';

/** `desktop.*`: no computer-use daemon is connected. */
export const desktopDriver: Driver = {
  name: 'desktop',
  runtime: 'desktop',
  handles: ['desktop.script', 'desktop.task'],
  execute: (task) =>
    Promise.reject(
      fail('needs-daemon', `${task.step.do} needs a computer-use daemon, and none is connected`),
    ),
};
