import type { Act } from './act.js';

/** Opens a file. */
export const openFile: Act<'openFile'> = async (desk, { path, app }) => ({
  result: { pid: await desk.apps.open(path, app) },
});
