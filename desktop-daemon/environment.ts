import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** The variables of this process. Nothing else here reads them. */
export const environment = (): NodeJS.ProcessEnv => process.env;

/** Those of the named variables that are set, for a child that must not inherit the others. */
export const inherited = (names: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value] as const];
    }),
  );

/** Changes what this process and its children find. */
export function setEnvironment(values: Readonly<Record<string, string>>): void {
  Object.assign(process.env, values);
}

/** Where a program is on PATH; undefined, when it is not installed. */
export async function findProgram(program: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(delimiter).filter(Boolean)) {
    const path = join(folder, program);
    const runs = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (runs) return path;
  }
  return undefined;
}
