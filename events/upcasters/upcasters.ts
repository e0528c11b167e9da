/** Old shape → the next shape, pure, one step of version at a time. Keyed `<event type>@<from version>`. */
export type Upcaster = (data: unknown) => unknown;

/** Every event is at version 1: nothing has an older shape yet. */
const upcasters: ReadonlyMap<string, Upcaster> = new Map();

/** Lifts `data` from the version it was written in to the current one. */
export function upcast(
  type: string,
  fromVersion: number,
  data: unknown,
  table: ReadonlyMap<string, Upcaster> = upcasters,
): unknown {
  let lifted = data;
  for (let version = fromVersion; ; version++) {
    const next = table.get(`${type}@${version}`);
    if (!next) return lifted;
    lifted = next(lifted);
  }
}
