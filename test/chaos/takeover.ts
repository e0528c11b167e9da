import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Reply } from './client.js';
import type { LoadOptions, Notes } from './load.js';

/** One person at the controls of one run. */
export interface Hold {
  readonly runId: string;
  /** What was typed meanwhile: nobody but the file it went into may know it. */
  readonly typed: string;
  /** What a second person was answered who wanted the controls, too. */
  readonly second: { readonly status: number; readonly code: unknown };
}

const TTL_MS = 3_000;
const HAND_BACK_SHARE = 0.6;

/** Takes the controls of a run, acts through its drivers, and hands them back or goes away for good. */
export async function takeOver(options: LoadOptions, notes: Notes, runId: string): Promise<void> {
  const { random, client, witnessUrl } = options;
  const post = (path: string, body: object): Promise<Reply> =>
    client.ask(`/runs/${runId}/${path}`, { method: 'POST', body });
  const taken = await post('takeover', { ttlMs: TTL_MS });
  // Somebody else's pause, the end of the run, or (the answer to a first try was lost) this person's own lease.
  if (taken.status !== 202) return;
  notes.commands++;
  const { lease } = taken.body.control as { lease: string };
  const typed = `typed-${randomBytes(12).toString('hex')}`;
  const second = await post('takeover', { ttlMs: TTL_MS });
  notes.holds.push({ runId, typed, second: { status: second.status, code: second.body.code } });
  const call = (tool: string, args: object) =>
    post('takeover/actions', { lease, do: 'workspace.call', with: { tool, args } });
  await call('test.effect', { url: witnessUrl });
  await call('fs.write', { path: 'typed.txt', text: typed });
  if (!random.chance(HAND_BACK_SHARE)) return;
  await sleep(random.between(0, 500));
  if ((await post('handback', { lease, note: 'done' })).status === 202) notes.commands++;
}
