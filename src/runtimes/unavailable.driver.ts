import { fail } from '../failures/failures.js';
import type { Driver } from './driver.js';

/** `browser.task`: an instruction in words, which nobody here can follow. */
export const browserTaskDriver: Driver = {
  name: 'browser-task',
  runtime: 'browser',
  handles: ['browser.task'],
  execute: () =>
    Promise.reject(
      fail('needs-model', 'browser.task needs a model to follow its instruction, and none is configured'),
    ),
};

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
