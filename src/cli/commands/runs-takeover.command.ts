import type { Config } from '../../config.js';
import { withServer } from '../client.js';
import { CliError, EXIT } from '../exit-codes.js';
import { coloured, print, printJson } from '../output.js';

interface Answer {
  readonly status: string;
  readonly control?: { readonly lease: string; readonly expiresAt: string };
  readonly action?: { readonly outcome: string; readonly output?: unknown; readonly failure?: unknown };
}

interface TakeoverOptions {
  readonly reason?: string;
  readonly ttl?: string;
  readonly json?: boolean;
}

/** Pauses a run and takes its controls; prints the lease, which the other commands name. */
export const takeover = (config: Config, { reason, ttl, json }: TakeoverOptions, id: string): Promise<void> =>
  post(
    config,
    id,
    'takeover',
    { ...(reason && { reason }), ...(ttl && { ttlMs: millisecondsOf(ttl) }) },
    json,
  );

interface LeaseOptions {
  readonly lease: string;
  readonly ttl?: string;
  readonly json?: boolean;
}

/** Keeps the controls for longer. */
export const keep = (config: Config, { lease, ttl, json }: LeaseOptions, id: string): Promise<void> =>
  post(config, id, 'takeover/heartbeat', { lease, ...(ttl && { ttlMs: millisecondsOf(ttl) }) }, json);

interface ActOptions extends LeaseOptions {
  readonly do: string;
  readonly with: string;
  readonly recordText?: boolean;
}

/** Does one thing through the driver an agent would use. */
export const act = (config: Config, options: ActOptions, id: string): Promise<void> => {
  const { lease, do: does, with: text, recordText, json } = options;
  return post(config, id, 'takeover/actions', { lease, do: does, with: parsed(text), recordText }, json);
};

interface HandbackOptions extends LeaseOptions {
  readonly note?: string;
  readonly replan?: boolean;
}

/** Gives the controls back to the run. */
export const handback = (
  config: Config,
  { lease, note, replan, json }: HandbackOptions,
  id: string,
): Promise<void> => post(config, id, 'handback', { lease, note, replan }, json);

function post(config: Config, id: string, what: string, body: object, json?: boolean): Promise<void> {
  return withServer(config, async (client) => {
    const answer = await client.post<Answer>(`/runs/${encodeURIComponent(id)}/${what}`, body);
    if (json) return printJson(answer);
    print(`${id}  ${coloured(answer.status)}`);
    if (answer.control) print(`lease ${answer.control.lease}, until ${answer.control.expiresAt}`);
    if (answer.action) print(JSON.stringify(answer.action, undefined, 2));
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CliError(EXIT.usage, `--with ${text}: ${(error as Error).message}`);
  }
}

function millisecondsOf(seconds: string): number {
  const value = Number(seconds);
  if (Number.isFinite(value) && value > 0) return Math.round(value * 1000);
  throw new CliError(EXIT.usage, `--ttl ${seconds}: expected a number of seconds`);
}
