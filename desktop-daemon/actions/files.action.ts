import type { Act } from './act.js';

/** What is in a folder, as the file system has it. */
export const files: Act<'files'> = async (desk, { path, deep = false, only }) => ({
  result: await desk.folders.list(path, { deep, only }, desk.signal),
});
