/** One call of a built-in tool. */
export const call = (id: string, tool: string, args: object = {}, more: object = {}): object => ({
  id,
  title: `step ${id}`,
  do: 'workspace.call',
  with: { tool, args },
  ...more,
});

export const noop = (id: string, more: object = {}): object => call(id, 'noop', {}, more);
export const write = (id: string, path: string, text = id, more: object = {}): object =>
  call(id, 'fs.write', { path, text }, more);

/** A mission that brings these steps as its plan. */
export const planned = (steps: object[], more: object = {}): object => ({ plan: { steps }, ...more });

/** A step that fails its check once and then waits most of a minute for its second attempt: the run stays `executing`. */
export const hangs = (id: string): object =>
  noop(id, { expect: [{ jsonata: 'false' }], retry: { max: 1, backoffMs: 50_000 } });
