import { spawn, type ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { environmentOf } from '../../src/config.js';
import { compiledFile } from '../../src/setup/package-root.js';
import { eventually, type TestHome } from './server-home.js';

/** How a program ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Program {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly output: { readonly stdout: string; readonly stderr: string };
  /** Waits until a line of it matches. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
}

export interface Start {
  readonly env?: Record<string, string>;
  /** What it reads on standard input. */
  readonly input?: string;
  readonly cwd?: string;
}

/** Starts `skyagent …` in the working folder of a home, with no setting but the given ones. */
export function start(
  home: Pick<TestHome, 'folder'>,
  args: readonly string[],
  { env, input, cwd }: Start = {},
): Program {
  const child = spawn(process.execPath, [compiledFile('src/cli/main.js'), ...args], {
    cwd: cwd ?? home.folder,
    env: { ...environmentOf(['PATH', 'HOME', 'TMPDIR', 'LANG']), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  // A command that ends without reading what it is given hangs up: that is its right.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input ?? '');
  const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ code, ...output })));
  const says = (pattern: RegExp) =>
    eventually(
      () => Promise.resolve(pattern.exec(output.stdout + output.stderr) ?? undefined),
      `${pattern} of: skyagent ${args.join(' ')}`,
    );
  return { child, ended, output, says };
}

/** Runs `skyagent …` to its end. */
export const skyagent = (
  home: Pick<TestHome, 'folder'>,
  args: readonly string[],
  how?: Start,
): Promise<Ended> => start(home, args, how).ended;

/** The JSON a program printed, which must be all that it printed. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller says what it expects of the JSON
export const jsonOf = <T>({ stdout }: Ended): T => JSON.parse(stdout) as T;

export interface Serving extends Program {
  readonly url: string;
  /** Ends it with a signal and waits until it is gone. */
  stop(signal?: NodeJS.Signals): Promise<Ended>;
}

/** A `skyagent serve` that is ready; a process that serves no HTTP has no address. */
export async function startServe(home: TestHome, env: Record<string, string> = {}): Promise<Serving> {
  const program = start(home, ['serve'], { env: { SKYAGENT_PORT: '0', ...env } });
  const [, url] = await Promise.race([
    program.says(/^ready(?: on (\S+))? \(.*\)$/m),
    program.ended.then(notServing),
  ]);
  return {
    ...program,
    url: url ?? '',
    stop: (signal = 'SIGTERM') => {
      program.child.kill(signal);
      return program.ended;
    },
  };
}

function notServing({ code, stderr }: Ended): never {
  throw new Error(`skyagent serve ended with ${code}: ${stderr}`);
}

/** Writes a file into the working folder, as JSON unless it is text. */
export async function put(home: TestHome, name: string, content: unknown): Promise<string> {
  await writeFile(join(home.folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  return name;
}
