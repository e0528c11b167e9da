/** A path that would leave the run's folder, or that names something that is not a plain file or folder. */
export class PathRefusedError extends Error {
  readonly code = 'path-refused';
  constructor(
    readonly path: string,
    why: string,
  ) {
    super(`path ${JSON.stringify(path)} is refused: ${why}`);
    this.name = 'PathRefusedError';
  }
}

/** There is no such file in the run's folder. */
export class FileNotFoundError extends Error {
  readonly code = 'file-not-found';
  constructor(readonly path: string) {
    super(`there is no file ${JSON.stringify(path)} in the run's folder`);
    this.name = 'FileNotFoundError';
  }
}

/** The run's folder holds as much as it may. */
export class QuotaExceededError extends Error {
  readonly code = 'quota-exceeded';
  constructor(what: 'bytes' | 'files', limit: number) {
    super(`the run's folder may hold ${limit} ${what}, and this would be more`);
    this.name = 'QuotaExceededError';
  }
}

/** What opening a file in a run's folder failed with, as the error of this house. */
export function asPathError(error: unknown, path: string): Error {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return new FileNotFoundError(path);
  if (code === 'ENOTDIR') return new PathRefusedError(path, 'a part of it is not a folder');
  if (code === 'ELOOP') return new PathRefusedError(path, 'it is a link');
  if (error instanceof PathRefusedError || error instanceof FileNotFoundError) return error;
  return new PathRefusedError(path, `it cannot be opened (${code})`);
}
