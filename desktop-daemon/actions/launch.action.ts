import type { Act } from './act.js';

/** Starts an application of the allow-list. */
export const launch: Act<'launch'> = async (desk, { app, args = [] }) => ({
  result: { pid: await desk.apps.launch(app, args) },
});
