import { z } from 'zod';
import { FileNotFoundError } from '../../../agentfs/agentfs.js';
import type { StepTask } from '../../driver.js';

const trySchema = z.strictObject({
  title: z.string(),
  sent: z.boolean().optional(),
  runId: z.string().optional(),
  stopped: z.boolean().optional(),
});
type Try = z.infer<typeof trySchema>;

/** What was submitted for an attempt of a step, in the run's folder: written before anything is sent, and found after a crash. */
export interface SkyvernNote {
  readonly last: Try | undefined;
  /** A new try: its title is its own, so that it can be found again when the answer is lost. */
  begin(): Promise<string>;
  /** The question goes out now: from here on, nobody may take it for never asked. */
  sent(): Promise<void>;
  submitted(runId: string): Promise<void>;
  /** The run was stopped from here: it is not the one to wait for when the step goes on. */
  stopped(): Promise<void>;
}

export async function noteOf({ runId, stepId, attempt, files }: StepTask): Promise<SkyvernNote> {
  const path = `memory/skyvern/${stepId}-${attempt}.json`;
  let tries = await readTries(files, path);
  const write = async (next: Try[]): Promise<void> => {
    tries = next;
    await files.write(path, JSON.stringify(tries));
  };
  return {
    get last() {
      return tries.at(-1);
    },
    begin: async () => {
      const title = `skyagent:${runId}/${stepId}/${attempt}.${tries.length + 1}`;
      await write([...tries, { title }]);
      return title;
    },
    sent: () => write([...tries.slice(0, -1), { ...tries.at(-1)!, sent: true }]),
    submitted: (id) => write([...tries.slice(0, -1), { ...tries.at(-1)!, runId: id }]),
    stopped: () => write([...tries.slice(0, -1), { ...tries.at(-1)!, stopped: true }]),
  };
}

async function readTries(files: StepTask['files'], path: string): Promise<Try[]> {
  try {
    const text = new TextDecoder().decode(await files.read(path));
    return z.array(trySchema).parse(JSON.parse(text));
  } catch (error) {
    if (error instanceof FileNotFoundError) return [];
    throw error;
  }
}
