import { describe, expect, it } from '@jest/globals';
import type { Envelope } from '#events/envelope.js';
import { createMemoryLog } from '../../src/log/memory.log.js';
import { historyOf } from '../support/envelopes.js';
import { conformsAsEventLog } from './log.conformance.js';

conformsAsEventLog('the log in memory', async () => createMemoryLog());
conformsAsEventLog('the log in memory, in three partitions', async () => createMemoryLog(3));

describe('the log in memory', () => {
  it('keeps what was written, whatever the writer or a reader does to it', async () => {
    const log = createMemoryLog();
    const [created] = historyOf('run_1', 'run.created') as [Envelope];
    await log.append(created, 0);
    created.actor = 'someone else';
    Object.assign((await log.read('run_1'))[0]!, { body: 'nothing' });
    expect((await log.read('run_1'))[0]!.body).toMatchObject({ actor: 'test' });
  });
});
