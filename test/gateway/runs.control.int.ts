import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startWitness } from '../chaos/witness.js';
import { hangs, noop, planned, write } from '../support/server-missions.js';
import {
  eventTypes,
  rested,
  startServer,
  submit,
  submitAndRest,
  type Accepted,
  type ProblemBody,
  type RunBody,
  type TestServer,
} from '../support/server-test.js';
import { until } from '../support/wait.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ NODE_ENV: 'test' });
});
afterAll(() => server.stop());

const fails = (id: string, more: object = {}) => noop(id, { expect: [{ jsonata: 'false' }], ...more });
const chain = planned([
  write('first', 'outputs/first.txt'),
  write('second', 'outputs/second.txt', 'second', { needs: ['first'] }),
  noop('third', { needs: ['second'] }),
]);
const derived = async (path: string, body: object = {}): Promise<RunBody & { parent?: object }> => {
  const answer = await server.post<Accepted>(path, body);
  expect(answer.status).toBe(202);
  expect(answer.headers.location).toBe(`/runs/${answer.body.runId}`);
  return rested(server, answer.body.runId);
};
const succeededIn = async (runId: string) => {
  const { body } = await server.get<{ events: { type: string; data: { stepId?: string } }[] }>(
    `/runs/${runId}/events?limit=200`,
  );
  return body.events.flatMap(({ type, data }) => (type === 'skyagent.step.succeeded' ? [data.stepId] : []));
};

describe('a retry', () => {
  it('is a new run of the same mission, with its parent', async () => {
    const old = await submitAndRest(server, chain);
    const run = await derived(`/runs/${old.id}/retry`);
    expect(run).toMatchObject({ status: 'succeeded', stepsTotal: 3, stepsFinished: 3 });
    expect(run.parent).toEqual({ runId: old.id, rev: old.rev });
    expect(await succeededIn(run.id)).toEqual(['first', 'second', 'third']);
  });

  it('from a step does that one and what needs it again, and takes over the rest with its files', async () => {
    const old = await submitAndRest(server, chain);
    const run = await derived(`/runs/${old.id}/retry`, { fromStep: 'second' });
    expect(run).toMatchObject({ status: 'succeeded', stepsTotal: 3, stepsFinished: 3 });
    expect(run.steps.map(({ id, state }) => [id, state])).toEqual([
      ['first', 'succeeded'],
      ['second', 'succeeded'],
      ['third', 'succeeded'],
    ]);
    expect(await succeededIn(run.id)).toEqual(['second', 'third']);
    const file = join(server.home.folder, 'agentfs', 'missions', run.id, 'outputs', 'first.txt');
    expect(await readFile(file, 'utf8')).toBe('first');
  });

  it('of a run that has not ended is refused', async () => {
    const { runId } = await submit(server, planned([hangs('a')]));
    const { status, body } = await server.post<ProblemBody>(`/runs/${runId}/retry`, {});
    expect(status).toBe(409);
    expect(body.legal).toContain('fork');
    expect(body.legal).not.toContain('retry');
    await server.post(`/runs/${runId}/cancel`, {});
  });

  it('from a step there is not, and of a run there is not, says so', async () => {
    const old = await submitAndRest(server, chain);
    const wrong = await server.post<ProblemBody>(`/runs/${old.id}/retry`, { fromStep: 'fourth' });
    expect([wrong.status, wrong.body.code]).toEqual([422, 'no-such-place']);
    expect((await server.post('/runs/run_none/retry', {})).status).toBe(404);
    expect((await server.post(`/runs/${old.id}/retry`, { from: 'first' })).status).toBe(422);
  });
});

describe('a fork', () => {
  it('shares the history up to a revision, and does the rest by another plan', async () => {
    const old = await submitAndRest(server, chain);
    const events = await eventTypes(server, old.id);
    const atRev = events.indexOf('step.succeeded') + 1;
    const plan = {
      steps: [write('first', 'outputs/first.txt'), noop('other', { needs: ['first'] })],
    };
    const run = await derived(`/runs/${old.id}/fork`, { atRev, plan });
    expect(run).toMatchObject({ status: 'succeeded', parent: { runId: old.id, rev: atRev } });
    expect(await succeededIn(run.id)).toEqual(['other']);
  });

  it('does a step again whose definition is another', async () => {
    const old = await submitAndRest(server, chain);
    const plan = { steps: [write('first', 'outputs/first.txt', 'changed')] };
    const run = await derived(`/runs/${old.id}/fork`, { atRev: old.rev, plan });
    expect(await succeededIn(run.id)).toEqual(['first']);
  });

  it('of a revision the run has not, or with a plan that is none, is refused', async () => {
    const old = await submitAndRest(server, chain);
    const late = await server.post<ProblemBody>(`/runs/${old.id}/fork`, { atRev: 999 });
    expect([late.status, late.body.code]).toEqual([422, 'no-such-place']);
    const none = await server.post<ProblemBody>(`/runs/${old.id}/fork`, { atRev: 1, plan: { steps: [] } });
    expect(none.status).toBe(422);
    const tool = { steps: [{ ...noop('a'), with: { tool: 'teleport' } }] };
    const wrong = await server.post<ProblemBody>(`/runs/${old.id}/fork`, { atRev: 1, plan: tool });
    expect(wrong.body.errors?.[0]?.pointer).toBe('/plan/steps/0/with/tool');
  });
});

describe('a step a person does without', () => {
  it('is skipped, and the run goes on', async () => {
    const { runId } = await submit(server, planned([hangs('a'), noop('b', { needs: ['a'] })]));
    await until('it waits for its second attempt', async () =>
      (await eventTypes(server, runId)).includes('step.retried'),
    );
    expect((await server.post(`/runs/${runId}/skip`, { stepId: 'a', reason: 'done by hand' })).status).toBe(
      202,
    );
    const run = await rested(server, runId);
    expect(run).toMatchObject({ status: 'succeeded', stepsFinished: 2 });
    expect(run.steps[0]).toMatchObject({ id: 'a', state: 'skipped' });
  });
});

describe('a budget', () => {
  it('that is used up pauses the run with the reason, and it goes on when raised', async () => {
    const { runId } = await submit(
      server,
      planned([noop('each', { forEach: '{{ [1, 2, 3] }}' })], { limits: { maxSteps: 2 } }),
    );
    const run = (await rested(server, runId)) as RunBody & { control: object };
    expect(run).toMatchObject({
      status: 'paused',
      control: { state: 'exhausted', exhausted: 'maxSteps', reason: 'limits.maxSteps is used up' },
    });
    expect(run.commands).not.toContain('resume');
    expect((await server.post(`/runs/${runId}/resume`, {})).status).toBe(409);
    expect((await server.post(`/runs/${runId}/budget`, { limits: { maxSteps: 1 } })).status).toBe(409);
    expect((await server.post(`/runs/${runId}/budget`, { limits: { maxSteps: 10 } })).status).toBe(202);
    expect((await server.post(`/runs/${runId}/resume`, {})).status).toBe(202);
    expect(await rested(server, runId)).toMatchObject({
      status: 'succeeded',
      stepsTotal: 4,
      stepsFinished: 4,
    });
  });
});

describe('a run that a limit has stopped', () => {
  it('still waits for that to be raised after a person had the controls', async () => {
    const mission = planned([noop('each', { forEach: '{{ [1, 2, 3] }}' })], { limits: { maxSteps: 2 } });
    const { runId } = await submit(server, mission);
    await rested(server, runId);
    const { body } = await server.post<Held>(`/runs/${runId}/takeover`, { ttlMs: 1000 });
    expect((await server.post(`/runs/${runId}/handback`, { lease: body.control.lease })).status).toBe(409);
    await until('the lease has run out', async () =>
      (await eventTypes(server, runId)).includes('control.released'),
    );
    const run = (await server.get<RunBody & { control: object }>(`/runs/${runId}`)).body;
    expect(run.control).toMatchObject({ state: 'exhausted', exhausted: 'maxSteps' });
    expect(run.commands).toEqual(['cancel', 'skip', 'budget', 'takeover', 'fork']);
    await server.post(`/runs/${runId}/cancel`, {});
  });

  it('may be given more while a person has the controls, whose lease still runs out', async () => {
    const mission = planned([noop('each', { forEach: '{{ [1, 2, 3] }}' })], { limits: { maxSteps: 2 } });
    const { runId } = await submit(server, mission);
    await rested(server, runId);
    await server.post<Held>(`/runs/${runId}/takeover`, { ttlMs: 1000 });
    expect((await server.post(`/runs/${runId}/budget`, { limits: { maxSteps: 10 } })).status).toBe(202);
    await until('the lease has run out', async () =>
      (await eventTypes(server, runId)).includes('control.released'),
    );
    expect((await server.post(`/runs/${runId}/resume`, {})).status).toBe(202);
    expect(await rested(server, runId)).toMatchObject({ status: 'succeeded' });
  });
});

describe('a pause of many runs', () => {
  it('takes those of a status and a template, and says which it could not', async () => {
    const ids = await Promise.all(
      [1, 2, 3].map(async () => (await submit(server, planned([hangs('a')]))).runId),
    );
    for (const id of ids)
      await until('it waits', async () => (await eventTypes(server, id)).includes('step.retried'));
    const { status, body } = await server.post<{ paused: string[]; refused: object[] }>(
      '/runs/pause?status=executing',
      { reason: 'maintenance' },
    );
    expect(status).toBe(202);
    expect(body.paused).toEqual(expect.arrayContaining(ids));
    for (const id of ids) expect(await rested(server, id)).toMatchObject({ status: 'paused' });
    expect((await server.post<{ paused: string[] }>('/runs/pause?template=nothing', {})).body.paused).toEqual(
      [],
    );
    expect((await server.post('/runs/pause', {})).status).toBe(400);
    for (const id of ids) await server.post(`/runs/${id}/cancel`, {});
  });
});

interface Held {
  control: { lease: string; holder: string; epoch: number; expiresAt: string };
}

describe('a takeover', () => {
  const heldRun = async (ttlMs?: number) => {
    const { runId } = await submit(server, planned([hangs('a'), noop('b', { needs: ['a'] })]));
    const { status, body } = await server.post<Held>(`/runs/${runId}/takeover`, { reason: 'log in', ttlMs });
    expect(status).toBe(202);
    return { runId, lease: body.control.lease, control: body.control };
  };

  it('pauses the run, lets a person act, records it, and goes back with a note', async () => {
    const { runId, lease, control } = await heldRun();
    expect(control).toMatchObject({ holder: 'operator:local', epoch: 1 });
    const shown = (await server.get<RunBody & { control: object }>(`/runs/${runId}`)).body;
    expect(shown).toMatchObject({ status: 'paused', control: { state: 'taken', holder: 'operator:local' } });
    expect(JSON.stringify(shown)).not.toContain(lease);
    expect(shown.commands).toEqual(['cancel', 'skip', 'budget', 'handback', 'fork']);
    const act = {
      lease,
      do: 'workspace.call',
      with: { tool: 'fs.write', args: { path: 'inputs/a.txt', text: 'secret word' } },
    };
    const acted = await server.post<{ action: { outcome: string } }>(`/runs/${runId}/takeover/actions`, act);
    expect(acted.body.action.outcome).toBe('succeeded');
    const log = (await server.get(`/runs/${runId}/events?limit=200`)).text;
    expect(log).toContain('"text":{"length":11}');
    expect(log).not.toContain('secret word');
    await server.post(`/runs/${runId}/skip`, { stepId: 'a' });
    expect((await server.post(`/runs/${runId}/handback`, { lease, note: 'logged in' })).status).toBe(202);
    expect(await rested(server, runId)).toMatchObject({ status: 'succeeded' });
  });

  it('records what was typed when that is asked for', async () => {
    const { runId, lease } = await heldRun();
    const args = { path: 'inputs/a.txt', text: 'a public word' };
    const act = { lease, do: 'workspace.call', with: { tool: 'fs.write', args }, recordText: true };
    await server.post(`/runs/${runId}/takeover/actions`, act);
    expect((await server.get(`/runs/${runId}/events?limit=200`)).text).toContain('a public word');
    await server.post(`/runs/${runId}/cancel`, {});
  });

  it('is refused while somebody holds the controls, with the holder', async () => {
    const { runId, lease } = await heldRun();
    const second = await server.post<ProblemBody & { holder: object }>(`/runs/${runId}/takeover`, {});
    expect([second.status, second.body.code]).toEqual([409, 'control-held']);
    expect(second.body.holder).toMatchObject({ holder: 'operator:local' });
    const wrong = await server.post<ProblemBody>(`/runs/${runId}/takeover/heartbeat`, { lease: 'other' });
    expect([wrong.status, wrong.body.code]).toEqual([409, 'wrong-lease']);
    const act = { lease: 'other', do: 'workspace.call', with: { tool: 'noop' } };
    expect((await server.post<ProblemBody>(`/runs/${runId}/takeover/actions`, act)).body.code).toBe(
      'wrong-lease',
    );
    expect((await server.post(`/runs/${runId}/resume`, {})).status).toBe(409);
    expect((await server.post(`/runs/${runId}/takeover/heartbeat`, { lease })).status).toBe(202);
    await server.post(`/runs/${runId}/cancel`, {});
  });

  it('ends with its lease: the run is paused, and the late hand is refused', async () => {
    const { runId, lease } = await heldRun(1000);
    await until('the lease has run out', async () =>
      (await eventTypes(server, runId)).includes('control.released'),
    );
    const run = (await server.get<RunBody>(`/runs/${runId}`)).body;
    expect(run).toMatchObject({ status: 'paused' });
    expect(run.commands).toContain('resume');
    const act = { lease, do: 'workspace.call', with: { tool: 'noop' } };
    expect((await server.post(`/runs/${runId}/takeover/actions`, act)).status).toBe(409);
    expect((await server.post(`/runs/${runId}/handback`, { lease })).status).toBe(409);
    await server.post(`/runs/${runId}/cancel`, {});
  });

  it('does not run out while the person acts: what was done is recorded', async () => {
    const witness = await startWitness(0);
    const { runId, lease } = await heldRun(1000);
    const args = { url: witness.url, delayMs: 2_000 };
    const act = { lease, do: 'workspace.call', with: { tool: 'test.effect', args } };
    const acted = await server.post<{ action: { outcome: string } }>(`/runs/${runId}/takeover/actions`, act);
    await witness.close();
    expect([acted.status, acted.body.action.outcome, witness.seen.length]).toEqual([200, 'succeeded', 1]);
    const types = await eventTypes(server, runId);
    expect(types.filter((type) => type.startsWith('control.'))).toEqual([
      'control.taken',
      'control.renewed',
      'control.acted',
    ]);
    await server.post(`/runs/${runId}/cancel`, {});
  });

  it('refuses an action that is none, and does nothing', async () => {
    const { runId, lease } = await heldRun();
    const act = { lease, do: 'workspace.jump', with: {} };
    expect((await server.post(`/runs/${runId}/takeover/actions`, act)).status).toBe(422);
    const failing = { lease, do: 'workspace.call', with: { tool: 'fs.read', args: { path: 'none.txt' } } };
    const failed = await server.post<{ action: { outcome: string; failure: object } }>(
      `/runs/${runId}/takeover/actions`,
      failing,
    );
    expect(failed.body.action).toMatchObject({ outcome: 'failed', failure: { code: 'file-not-found' } });
    await server.post(`/runs/${runId}/cancel`, {});
  });

  it('of a run that has ended is refused', async () => {
    const old = await submitAndRest(server, planned([fails('a')]));
    expect((await server.post(`/runs/${old.id}/takeover`, {})).status).toBe(409);
  });
});

describe('a mission with a schedule', () => {
  it('runs at its time', async () => {
    const at = new Date(Date.now() + 1200).toISOString();
    const accepted = await submit(server, planned([noop('a')], { schedule: { at } }));
    expect(accepted).toMatchObject({ status: 'queued', startAt: at });
    expect((await server.get(`/runs/${accepted.runId}`)).body).toMatchObject({
      status: 'queued',
      startAt: at,
    });
    const run = await rested(server, accepted.runId);
    expect(run).toMatchObject({ status: 'succeeded' });
    expect(Date.parse((run as unknown as { startedAt: string }).startedAt)).toBeGreaterThanOrEqual(
      Date.parse(at),
    );
  });

  it('that cannot be kept is refused', async () => {
    const mission = planned([noop('a')], { schedule: { cron: '99 * * * *' } });
    const { status, body } = await server.post<ProblemBody>('/missions', mission);
    expect([status, body.errors?.[0]?.pointer]).toEqual([422, '/schedule/cron']);
  });
});
