import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/server-home.js';
import { call, hangs, noop, planned, write } from '../support/server-missions.js';
import {
  eventTypes,
  rested,
  startServer,
  submit,
  type ProblemBody,
  type RunBody,
  type TestServer,
} from '../support/server-test.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const show = async (runId: string): Promise<RunBody> => (await server.get<RunBody>(`/runs/${runId}`)).body;
const inState = (runId: string, state: string) =>
  eventually(
    async () => (await show(runId)).steps.some((step) => step.state === state),
    `a step that is ${state}`,
  );
const dataOf = async (runId: string, type: string) => {
  const { body } = await server.get<{ events: { type: string; data: object; actor: string }[] }>(
    `/runs/${runId}/events`,
  );
  return body.events.filter((event) => event.type === `skyagent.${type}`).map(({ data }) => data);
};

/** A run in the middle of its work, until somebody stops it. */
async function busy(): Promise<string> {
  const { runId } = await submit(server, planned([hangs('a'), noop('b', { needs: ['a'] })]));
  await inState(runId, 'backoff');
  return runId;
}

describe('a run at work', () => {
  it('pauses, says why, and goes on where it was', async () => {
    const runId = await busy();
    const paused = await server.post(`/runs/${runId}/pause`, { reason: 'lunch' });
    expect(paused.status).toBe(202);
    expect(paused.body).toMatchObject({
      runId,
      status: 'pausing',
      rev: expect.any(Number),
      seq: expect.any(Number),
    });
    expect(paused.headers.etag).toBe(`"r${paused.body.rev as number}"`);
    expect(await rested(server, runId)).toMatchObject({
      status: 'paused',
      commands: ['resume', 'cancel', 'skip', 'budget', 'takeover', 'fork'],
    });
    expect(await dataOf(runId, 'run.paused')).toEqual([expect.objectContaining({ reason: 'lunch' })]);
    const resumed = await server.post(`/runs/${runId}/resume`, { note: 'use the other door' });
    expect([resumed.status, resumed.body.status]).toEqual([202, 'executing']);
    expect((await show(runId)).commands).toEqual(['pause', 'cancel', 'skip', 'budget', 'takeover', 'fork']);
    await server.post(`/runs/${runId}/cancel`);
    await rested(server, runId);
    expect(await eventTypes(server, runId)).toEqual([
      'run.created',
      'run.started',
      'step.performed',
      'step.retried',
      'run.pause-requested',
      'run.paused',
      'run.resumed',
      'run.cancel-requested',
      'run.cancelled',
    ]);
  });

  it('is cancelled, by a request without a body too', async () => {
    const runId = await busy();
    const answer = await server.post(`/runs/${runId}/cancel`);
    expect([answer.status, answer.body.status]).toEqual([202, 'cancelling']);
    expect(await rested(server, runId)).toMatchObject({
      status: 'cancelled',
      commands: ['retry', 'fork'],
      failure: null,
    });
  });

  it('is cancelled while it is paused, with nobody owning it', async () => {
    const runId = await busy();
    await server.post(`/runs/${runId}/pause`, {});
    await rested(server, runId);
    const answer = await server.post(`/runs/${runId}/cancel`, { reason: 'never mind' });
    expect(answer.body.status).toBe('cancelled');
  });

  it('takes the same command once when it is sent many times at once', async () => {
    const runId = await busy();
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => server.post(`/runs/${runId}/pause`, {})),
    );
    expect(answers.map(({ status }) => status).sort((left, right) => left - right)).toEqual([
      202, 409, 409, 409, 409, 409,
    ]);
    await rested(server, runId);
    expect((await eventTypes(server, runId)).filter((type) => type === 'run.pause-requested')).toHaveLength(
      1,
    );
    await server.post(`/runs/${runId}/cancel`, {});
  });
});

describe('a plan that waits for a person', () => {
  const waiting = async (): Promise<string> => {
    const { runId } = await submit(server, planned([noop('a')], { approval: 'plan' }));
    expect(await rested(server, runId)).toMatchObject({
      status: 'awaiting-approval',
      commands: ['pause', 'cancel', 'approve', 'reject', 'skip', 'budget', 'takeover', 'fork'],
    });
    return runId;
  };

  it('runs once it is approved', async () => {
    const runId = await waiting();
    const answer = await server.post(`/runs/${runId}/approve`, { note: 'fine' });
    expect([answer.status, answer.body.status]).toEqual([202, 'executing']);
    expect((await rested(server, runId)).status).toBe('succeeded');
    expect(await dataOf(runId, 'plan.approved')).toEqual([{ note: 'fine', next: ['a'] }]);
  });

  it('fails the run once it is rejected, with the person’s words', async () => {
    const runId = await waiting();
    await server.post(`/runs/${runId}/reject`, { reason: 'too dear' });
    const run = await rested(server, runId);
    expect(run.failure).toMatchObject({
      kind: 'human',
      code: 'plan-rejected',
      message: 'a person rejected the plan: too dear',
    });
    expect(run.steps).toEqual([{ id: 'a', title: 'step a', state: 'waiting', attempt: 1 }]);
  });

  it('may be paused, and still waits when it is resumed', async () => {
    const runId = await waiting();
    await server.post(`/runs/${runId}/pause`, {});
    expect((await rested(server, runId)).commands).toEqual([
      'resume',
      'cancel',
      'skip',
      'budget',
      'takeover',
      'fork',
    ]);
    await server.post(`/runs/${runId}/resume`, {});
    expect((await rested(server, runId)).status).toBe('awaiting-approval');
  });
});

interface Asked {
  id: string;
  asked?: { digest: string; path: string };
  output?: { path?: string };
}

describe('a step that waits for a person', () => {
  const asking = (more: object[] = []): object =>
    planned([write('send', 'outputs/sent.txt', 'dear', { approval: true }), ...more]);
  const waiting = async (mission: object): Promise<string> => {
    const { runId } = await submit(server, mission);
    await inState(runId, 'awaitingApproval');
    return runId;
  };

  it('acts only after it is approved', async () => {
    const runId = await waiting(asking());
    expect(await rested(server, runId)).toMatchObject({
      status: 'awaiting-approval',
      commands: ['pause', 'cancel', 'approve', 'reject', 'skip', 'budget', 'takeover', 'fork'],
    });
    const { files } = (await server.get<{ files: { path: string }[] }>(`/runs/${runId}/files`)).body;
    expect(files.filter(({ path }) => !path.startsWith('artifacts/'))).toEqual([]);
    const answer = await server.post(`/runs/${runId}/approve`, { stepId: 'send', note: 'go' });
    expect(answer.status).toBe(202);
    expect((await rested(server, runId)).status).toBe('succeeded');
    expect((await server.get(`/runs/${runId}/files/outputs/sent.txt`)).text).toBe('dear');
  });

  it('fails with the person’s words once it is rejected', async () => {
    const runId = await waiting(asking());
    await server.post(`/runs/${runId}/reject`, { stepId: 'send', reason: 'not today' });
    const run = await rested(server, runId);
    expect(run.failure).toMatchObject({
      code: 'step-rejected',
      message: 'step send: a person rejected this step: not today',
    });
    const { body } = await server.get<{ steps: { failure: object | null }[] }>(`/runs/${runId}/steps`);
    expect(body.steps[0]!.failure).toMatchObject({
      kind: 'human',
      code: 'step-rejected',
      message: 'a person rejected this step: not today',
    });
  });

  it('may be answered while other steps are at work', async () => {
    const runId = await waiting(asking([hangs('slow')]));
    await inState(runId, 'backoff');
    expect(await show(runId)).toMatchObject({
      status: 'executing',
      commands: ['pause', 'cancel', 'approve', 'reject', 'skip', 'budget', 'takeover', 'fork'],
    });
    await server.post(`/runs/${runId}/approve`, { stepId: 'send' });
    await inState(runId, 'succeeded');
    expect((await show(runId)).commands).toEqual(['pause', 'cancel', 'skip', 'budget', 'takeover', 'fork']);
    await server.post(`/runs/${runId}/cancel`, {});
  });

  it('shows what it would do with its expressions resolved, and is approved for that alone', async () => {
    const text = '{{ steps.sum.output.path }} for {{ inputs.who }}';
    const sum = write('sum', 'outputs/sum.txt');
    const send = write('send', 'outputs/sent.txt', text, { approval: true, needs: ['sum'] });
    const runId = await waiting(planned([sum, send], { inputs: { who: 'Ada' } }));
    const { steps } = (await server.get<{ steps: Asked[] }>(`/runs/${runId}/steps`)).body;
    const { digest, path } = steps.find(({ id }) => id === 'send')!.asked!;
    expect(JSON.parse((await server.get(`/runs/${runId}/files/${path}`)).text)).toEqual({
      do: 'workspace.call',
      with: { tool: 'fs.write', args: { path: 'outputs/sent.txt', text: 'outputs/sum.txt for Ada' } },
    });
    expect(JSON.stringify(await dataOf(runId, 'step.approval-requested'))).not.toContain('Ada');
    const other = await server.post<ProblemBody>(`/runs/${runId}/approve`, {
      stepId: 'send',
      argumentHash: '0'.repeat(64),
    });
    expect([other.status, other.body.legal]).toEqual([409, expect.arrayContaining(['approve'])]);
    expect(
      (await server.post(`/runs/${runId}/approve`, { stepId: 'send', argumentHash: digest })).status,
    ).toBe(202);
    expect((await rested(server, runId)).status).toBe('succeeded');
    expect((await server.get(`/runs/${runId}/files/outputs/sent.txt`)).text).toBe('outputs/sum.txt for Ada');
  });

  it('does not do anything else than what was approved', async () => {
    const sum = write('sum', 'outputs/sum.txt', 'one');
    const read = call('read', 'fs.read', { path: 'outputs/sum.txt' }, { needs: ['sum'] });
    const send = write('send', 'outputs/sent.txt', '{{ steps.read.output.text }}', {
      approval: true,
      needs: ['read'],
    });
    const runId = await waiting(planned([sum, read, send]));
    const folder = join(server.home.folder, 'agentfs', 'missions', runId);
    const { steps } = (await server.get<{ steps: Asked[] }>(`/runs/${runId}/steps`)).body;
    const output = steps.find(({ id }) => id === 'read')!.output!.path!;
    const kept = await readFile(join(folder, output), 'utf8');
    await writeFile(join(folder, output), kept.replace('one', 'two'));
    await server.post(`/runs/${runId}/approve`, { stepId: 'send' });
    expect(await rested(server, runId)).toMatchObject({
      status: 'failed',
      failure: { kind: 'policy', code: 'approval-stale' },
    });
  });

  it('fails when what it would do cannot be said', async () => {
    const bad = write('send', 'outputs/sent.txt', '{{ $error("no") }}', { approval: true });
    const { runId } = await submit(server, planned([bad]));
    expect(await rested(server, runId)).toMatchObject({ failure: { code: 'bad-expression' } });
  });

  it('refuses an approval of a step that was not asked about, and of one there is not', async () => {
    const runId = await waiting(asking([hangs('slow')]));
    for (const stepId of ['slow', 'nobody']) {
      const { status, body } = await server.post<ProblemBody>(`/runs/${runId}/approve`, { stepId });
      expect([status, body.code]).toEqual([409, 'illegal-command']);
    }
    await server.post(`/runs/${runId}/cancel`, {});
  });

  it('refuses an approval that names no step, since there is no plan to approve', async () => {
    const runId = await waiting(asking());
    const { status, body } = await server.post<ProblemBody>(`/runs/${runId}/approve`, {});
    expect([status, body.code, body.state]).toEqual([409, 'illegal-command', 'awaiting-approval']);
    await server.post(`/runs/${runId}/cancel`, {});
  });
});

describe('a command that cannot be taken', () => {
  it('is refused with the state and what is legal in it, and changes nothing', async () => {
    const { runId } = await submit(server, planned([noop('a')]));
    await rested(server, runId);
    const before = await server.logged();
    const { status, headers, body } = await server.post<ProblemBody>(`/runs/${runId}/pause`, {});
    expect(status).toBe(409);
    expect(headers['content-type']).toContain('application/problem+json');
    expect(body).toEqual({
      type: 'urn:skyagentos:problem:illegal-command',
      title: 'Conflict',
      status: 409,
      detail: 'PauseRun is not legal while the run is succeeded; legal now: retry, fork',
      code: 'illegal-command',
      state: 'succeeded',
      legal: ['retry', 'fork'],
      hint: 'GET the run; `commands` lists what is legal now',
    });
    expect(await server.logged()).toBe(before);
  });

  it('says what is legal instead while the run is paused', async () => {
    const runId = await busy();
    await server.post(`/runs/${runId}/pause`, {});
    await rested(server, runId);
    const { body } = await server.post<ProblemBody>(`/runs/${runId}/approve`, {});
    expect(body).toMatchObject({
      code: 'illegal-command',
      state: 'paused',
      legal: ['resume', 'cancel', 'skip', 'budget', 'takeover', 'fork'],
    });
    await server.post(`/runs/${runId}/cancel`, {});
  });

  const bodies: [string, string, object, string, RegExp][] = [
    ['an unknown field', 'pause', { because: 'x' }, '', /no such field: because/],
    ['a reason that is a number', 'cancel', { reason: 7 }, '/reason', /expected string/],
    ['a reason longer than 2000 characters', 'pause', { reason: 'x'.repeat(2001) }, '/reason', /<=2000/],
    ['another command’s field', 'resume', { reason: 'x' }, '', /no such field: reason/],
    ['a list', 'approve', [], '', /expected object/],
  ];
  it.each(bodies)('is refused when its body has %s', async (_, name, body, pointer, message) => {
    const runId = await busy();
    const before = await server.logged();
    const answer = await server.post<ProblemBody>(`/runs/${runId}/${name}`, body);
    expect([answer.status, answer.body.code]).toEqual([422, 'invalid-command']);
    expect(answer.body.errors).toEqual([{ pointer, message: expect.stringMatching(message) }]);
    expect(await server.logged()).toBe(before);
    await server.post(`/runs/${runId}/cancel`, {});
  });
});

describe('a command with If-Match', () => {
  it('is taken at the revision it names, and refused at another', async () => {
    const { runId } = await submit(server, planned([noop('a')], { approval: 'plan' }));
    await rested(server, runId);
    const before = await server.logged();
    const stale = await server.post<ProblemBody>(`/runs/${runId}/approve`, {}, { 'if-match': '"r1"' });
    expect([stale.status, stale.body.code]).toEqual([412, 'stale-revision']);
    expect(stale.body.detail).toBe(`run ${runId} is at revision 2, not 1`);
    expect(await server.logged()).toBe(before);
    expect((await server.post(`/runs/${runId}/approve`, {}, { 'if-match': '"r2"' })).status).toBe(202);
    await rested(server, runId);
  });

  it('is taken at any revision with *', async () => {
    const { runId } = await submit(server, planned([noop('a')], { approval: 'plan' }));
    await rested(server, runId);
    expect((await server.post(`/runs/${runId}/cancel`, {}, { 'if-match': '*' })).status).toBe(202);
  });

  it.each(['r2', '2', '"2"', 'W/"r2"', '"r2", "r3"'])(
    'is refused when it is no ETag of a run: %s',
    async (header) => {
      const { runId } = await submit(server, planned([noop('a')], { approval: 'plan' }));
      await rested(server, runId);
      const { status, body } = await server.post<ProblemBody>(
        `/runs/${runId}/cancel`,
        {},
        { 'if-match': header },
      );
      expect([status, body.code]).toEqual([400, 'bad-if-match']);
      expect((await show(runId)).rev).toBe(2);
    },
  );
});
