import type { Engine } from '../engine.js';
import type { TakeoverDeps } from '../runs/takeover.js';
import type { ReadYourWrites } from './read-your-writes.js';

/** What a takeover needs of this process. */
export const takeoverDepsOf = (
  { config, log, drivers, files, traces }: Engine,
  writes: ReadYourWrites,
): TakeoverDeps => ({
  log,
  drivers,
  files,
  changed: (runId, ms) => writes.progress.changed(runId, ms, () => true),
  trace: traces.tell,
  stepTimeoutMs: config.SKYAGENT_STEP_TIMEOUT_MS,
});
