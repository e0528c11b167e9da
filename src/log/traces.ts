import { traceSchema, type Trace } from '#events/trace.js';

/** The stream of single actions: told without waiting, kept for a time, part of no decision. */
export interface Traces {
  readonly tell: (trace: Trace) => void;
  /** Those of a run, oldest first, or of one of its steps; at most `limit`, after a sequence. */
  read(query: TraceQuery): Promise<StoredTrace[]>;
}

export interface TraceQuery {
  readonly runId: string;
  readonly stepId?: string | undefined;
  readonly afterSeq?: number | undefined;
  readonly limit: number;
}

export type StoredTrace = Trace & { readonly seq: number };

/** A trace as it was stored; nothing, for what is none (of a newer version, perhaps). */
export function asTrace(seq: number, body: unknown): StoredTrace | undefined {
  const parsed = traceSchema.safeParse(body);
  return parsed.success ? { ...parsed.data, seq } : undefined;
}

/** Traces that nobody keeps. */
export const noTraces: Traces = { tell: () => undefined, read: () => Promise.resolve([]) };
