import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Envelope } from '#events/envelope.js';
import { noop, planned, write } from '../support/server-missions.js';
import {
  eventTypes,
  rested,
  startServer,
  submit,
  submitAndRest,
  type Accepted,
  type ProblemBody,
  type TestServer,
} from '../support/server-test.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const envelopesOf = async (runId: string): Promise<Envelope[]> =>
  (await server.get<{ events: Envelope[] }>(`/runs/${runId}/events`)).body.events;

describe('a mission that is accepted', () => {
  it('answers 202 with where the run is and what belongs to it', async () => {
    const answer = await server.post<Accepted>('/missions', planned([noop('a')]));
    const { runId, missionId } = answer.body;
    expect(answer.status).toBe(202);
    expect(runId).toMatch(/^run_[0-9A-HJKMNP-TV-Z]{26}$/);
    expect(missionId).toBe(runId.replace('run_', 'mission_'));
    expect(answer.headers).toMatchObject({ location: `/runs/${runId}`, etag: '"r1"' });
    expect(answer.body).toEqual({
      missionId,
      runId,
      status: 'queued',
      seq: expect.any(Number),
      links: {
        self: `/runs/${runId}`,
        steps: `/runs/${runId}/steps`,
        events: `/runs/${runId}/events`,
        artifacts: `/runs/${runId}/artifacts`,
        files: `/runs/${runId}/files`,
        machine: `/runs/${runId}/machine`,
        live: `/runs/${runId}/live`,
        traces: `/runs/${runId}/traces`,
      },
    });
  });

  it('runs to its end, which a reader who prefers to wait is told', async () => {
    const { runId } = await submit(server, planned([noop('a'), noop('b', { needs: ['a'] })]));
    const run = await server.get(`/runs/${runId}`, { prefer: 'wait=30' });
    expect(run.status).toBe(200);
    expect(run.body).toMatchObject({
      id: runId,
      status: 'succeeded',
      rev: 5,
      dryRun: false,
      stepsTotal: 2,
      stepsFinished: 2,
      failure: null,
      commands: ['retry', 'fork'],
      steps: [
        { id: 'a', title: 'step a', state: 'succeeded', attempt: 1 },
        { id: 'b', title: 'step b', state: 'succeeded', attempt: 1 },
      ],
    });
    expect(run.headers.etag).toBe('"r5"');
  });

  it('is in the log as one event a transition, each by whoever caused it', async () => {
    const { id } = await submitAndRest(server, planned([noop('a')]));
    const events = await envelopesOf(id);
    expect(
      events.map(({ rev, type, statefrom, stateto, actor }) => [
        rev,
        type,
        statefrom,
        stateto,
        actor.split(':')[0],
      ]),
    ).toEqual([
      [1, 'skyagent.run.created', 'none', 'queued', 'operator'],
      [2, 'skyagent.run.started', 'queued', 'executing', 'worker'],
      [3, 'skyagent.step.succeeded', 'executing', 'validating', 'worker'],
      [4, 'skyagent.run.succeeded', 'validating', 'succeeded', 'worker'],
    ]);
    expect(events[0]!.actor).toBe('operator:local');
  });

  it('takes a template by its id, with the inputs it asks for', async () => {
    const mission = { template: 'web_research', inputs: { topic: 'tides', urls: ['http://127.0.0.1:9/'] } };
    const run = await submitAndRest(server, mission);
    expect(run).toMatchObject({ template: 'web_research', title: 'web_research', status: 'failed' });
    expect(run.failure).toMatchObject({ kind: 'validation', code: 'check-failed' });
  });

  it('runs steps side by side, and what comes after them sees their outputs', async () => {
    const steps = [
      write('one', 'outputs/one.txt', 'eins'),
      write('two', 'outputs/two.txt', 'zwei'),
      write('sum', 'outputs/sum.txt', '{{ steps.one.output.bytes }} and {{ steps.two.output.path }}', {
        needs: ['one', 'two'],
      }),
    ];
    const { id, status } = await submitAndRest(server, planned(steps));
    expect(status).toBe('succeeded');
    expect((await server.get(`/runs/${id}/files/outputs/sum.txt`)).text).toBe('4 and outputs/two.txt');
  });
});

describe('a mission whose step cannot be done', () => {
  it('fails with what a person can do about it when a path leaves the run’s folder', async () => {
    const run = await submitAndRest(server, planned([write('escape', '../../escape.txt')]));
    expect(run.status).toBe('failed');
    expect(run.failure).toEqual({
      kind: 'policy',
      code: 'path-refused',
      message: 'step escape: path "../../escape.txt" is refused: it leaves the run\'s folder',
      hint: 'use a relative path inside the run’s folder',
    });
    await expect(access(join(server.home.folder, 'agentfs', 'escape.txt'))).rejects.toThrow('ENOENT');
  });

  it('goes on past a step that may fail', async () => {
    const steps = [
      write('escape', '/etc/motd', 'x', { onFailure: 'continue' }),
      noop('after', { needs: ['escape'] }),
    ];
    const run = await submitAndRest(server, planned(steps));
    expect(run.status).toBe('succeeded');
    expect(run.steps.map(({ id, state }) => [id, state])).toEqual([
      ['escape', 'failed'],
      ['after', 'succeeded'],
    ]);
  });

  it('fails a run whose success check does not hold, naming the check', async () => {
    const run = await submitAndRest(server, {
      plan: { steps: [noop('a')], success: [{ jsonata: '1 = 2', message: 'one is two' }] },
    });
    expect(run).toMatchObject({ status: 'failed', failure: { kind: 'validation', code: 'check-failed' } });
    expect(run.failure!.message).toContain('one is two');
  });
});

describe('an objective in words alone', () => {
  const mission = { objective: 'Sort my invoices', metadata: { runtime: 'desktop' } };

  it('fails while planning when there is no model to plan it', async () => {
    const { id, status, failure } = await submitAndRest(server, mission);
    expect({ status, failure }).toEqual({
      status: 'failed',
      failure: {
        kind: 'model',
        code: 'no-planner',
        message: 'this mission is an objective in words, and no model is configured to plan it',
        hint: 'submit a plan or a template; planning an objective needs a configured model',
      },
    });
    expect(await eventTypes(server, id)).toEqual(['run.created', 'run.started', 'plan.failed', 'run.failed']);
  });

  it('succeeds as a dry run, every event of which says that it was simulated', async () => {
    const { id, status, dryRun } = await submitAndRest(server, { ...mission, dryRun: true });
    expect({ status, dryRun }).toEqual({ status: 'succeeded', dryRun: true });
    const events = await envelopesOf(id);
    expect(events.length).toBeGreaterThanOrEqual(4);
    expect(events.filter(({ simulated }) => simulated !== true)).toEqual([]);
  });

  it('may be longer than a title, and cut in the middle of a character', async () => {
    const run = await submitAndRest(server, { objective: `${'x'.repeat(199)}😀 and more`, dryRun: true });
    expect(run.status).toBe('succeeded');
  });

  it('makes the simulated plan for the runtime the mission names', async () => {
    const { runId } = await submit(server, { ...mission, dryRun: true });
    await rested(server, runId);
    const { body } = await server.get<{ steps: object[] }>(`/runs/${runId}/steps`);
    expect(body.steps).toEqual([
      expect.objectContaining({
        id: 'task',
        title: 'Sort my invoices',
        does: 'desktop.task',
        runtime: 'desktop',
        state: 'succeeded',
      }),
    ]);
  });
});

describe('a dry run', () => {
  it('makes no file, though its plan writes some', async () => {
    const { id, status } = await submitAndRest(
      server,
      planned([write('a', 'outputs/a.txt')], { dryRun: true }),
    );
    expect(status).toBe('succeeded');
    expect((await server.get(`/runs/${id}/files`)).body).toEqual({ files: [] });
    await expect(access(join(server.home.folder, 'agentfs', 'missions', id))).rejects.toThrow('ENOENT');
  });

  it('takes the inputs a template misses from its sample', async () => {
    const run = await submitAndRest(server, { template: 'web_research', dryRun: true });
    expect(run).toMatchObject({ status: 'succeeded', dryRun: true });
  });

  it('marks no event of a run that is real', async () => {
    const { id } = await submitAndRest(server, planned([noop('a')]));
    expect((await envelopesOf(id)).filter((event) => 'simulated' in event)).toEqual([]);
  });
});

describe('an Idempotency-Key', () => {
  const once = { 'idempotency-key': 'order-66' };

  it('gives the same answer for the same body, and no second run', async () => {
    const first = await server.post('/missions', planned([noop('a')]), once);
    const before = await rested(server, first.body.runId as string).then(() => server.logged());
    const second = await server.post('/missions', planned([noop('a')]), once);
    expect(second.status).toBe(202);
    expect(second.body).toEqual(first.body);
    expect(second.headers.location).toBe(first.headers.location);
    expect(await server.logged()).toBe(before);
  });

  it('is refused with another body, and nothing is written', async () => {
    const before = await server.logged();
    const answer = await server.post<ProblemBody>('/missions', planned([noop('b')]), once);
    expect(answer.status).toBe(422);
    expect(answer.body).toMatchObject({
      code: 'idempotency-key-reused',
      hint: 'use a new Idempotency-Key for another mission',
    });
    expect(await server.logged()).toBe(before);
  });

  it('makes one run out of many submissions at the same time', async () => {
    const headers = { 'idempotency-key': 'at-once' };
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => server.post('/missions', planned([noop('a')]), headers)),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(202));
    expect(new Set(answers.map(({ body }) => body.runId)).size).toBe(1);
  });

  it('is refused when it is not visible ASCII', async () => {
    const answer = await server.post<ProblemBody>('/missions', planned([noop('a')]), {
      'idempotency-key': 'two words',
    });
    expect(answer.status).toBe(400);
    expect(answer.body.code).toBe('bad-idempotency-key');
  });
});
