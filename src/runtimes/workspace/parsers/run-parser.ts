import { fork } from 'node:child_process';
import type { Json } from '#events/shapes.js';
import { fail } from '../../../failures/failures.js';
import { compiledFile } from '../../../setup/package-root.js';

export type ParserKind = 'pdf' | 'docx' | 'xlsx' | 'html' | 'csv';
export interface ParserJob {
  readonly kind: ParserKind;
  readonly bytes: Uint8Array;
  readonly options: { readonly delimiter?: string | undefined };
}

export interface ParserLimits {
  readonly timeMs: number;
  readonly memoryMb: number;
}
export const PARSER_LIMITS: ParserLimits = { timeMs: 60_000, memoryMb: 512 };

type Answer = { readonly value: Json } | { readonly problem: string };

/**
 * Parses a document in a process of its own: a thread that runs out of memory may take the whole process with it, whatever
 * limits it was given. What takes more time or memory than it may is stopped.
 */
export async function runParser(
  job: ParserJob,
  path: string,
  signal: AbortSignal,
  { timeMs, memoryMb }: ParserLimits = PARSER_LIMITS,
): Promise<Json> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const child = fork(compiledFile('src/runtimes/workspace/parsers/parser.process.js'), [], {
    env: {},
    execArgv: [`--max-old-space-size=${memoryMb}`],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const stop = () => reject(signal.reason as Error);
  const timer = setTimeout(
    () => reject(fail('too-heavy', `${path} takes longer to read than ${timeMs} ms`)),
    timeMs,
  );
  signal.addEventListener('abort', stop, { once: true });
  child.once('message', (answer) => resolve(answer as Answer));
  child.once('error', reject);
  // Without an answer: V8 ends a process that would need more memory than it may have.
  const ended = () =>
    setImmediate(() => reject(fail('too-heavy', `${path} takes more memory to read than ${memoryMb} MB`)));
  // An answer may still be on its way when the process has ended: it has come by the time the channel is closed.
  child.once('exit', () => (child.connected ? child.once('disconnect', ended) : ended()));
  child.send(job, (error) => error && reject(error));
  try {
    const answer = await promise;
    if ('value' in answer) return answer.value;
    throw fail('not-readable', `${path} cannot be read as ${job.kind}: ${answer.problem}`);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    child.kill('SIGKILL');
  }
}
