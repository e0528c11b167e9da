export interface ByteRange {
  readonly first: number;
  /** Included. */
  readonly last: number;
}

/**
 * The part of a body that a Range header (RFC 9110) asks for. Nothing, when there is no such header, when it is none of
 * bytes, or when it asks for several parts: then the whole is sent, as the RFC allows.
 */
export function rangeOf(header: string | undefined, bytes: number): ByteRange | 'unsatisfiable' | undefined {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '') ?? [];
  if (!from && !to) return undefined;
  if (!from) return partOf(bytes - Math.min(Number(to), bytes), bytes - 1, bytes);
  if (to && Number(to) < Number(from)) return undefined;
  return partOf(Number(from), to ? Math.min(Number(to), bytes - 1) : bytes - 1, bytes);
}

const partOf = (first: number, last: number, bytes: number): ByteRange | 'unsatisfiable' =>
  first >= bytes ? 'unsatisfiable' : { first, last };
